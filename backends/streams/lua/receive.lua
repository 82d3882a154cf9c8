-- Leases messages, and takes over what leases that have ended leave behind.
--
-- A lease is the name of a consumer of the group together with an end, in the set of leases. What is pending for that
-- consumer is leased until then. When the end has passed, the next receive takes it over under a lease of its own, one
-- entry at a time and atomically, so that an entry never has two owners.
--
-- KEYS: stream, wake, delayed, expiring, leases, again, replay, settled
-- ARGV: group, mine, registered, room, leaseMs, sweeping, channel, bytes, step
--   mine: the lease's name; registered: `1` if the server has it already; room: the most messages; sweeping: `1` to look
--   for entries without a lease; bytes: the most, but for one message that is larger; step: how many to read at first
-- Returns: an array. The first item is the server's time, or -1 where the lease's name is spent. Then, where there is
--   anything, the deliveries: an entry with a body alone is two texts, id and body; one with the publisher's id is an array
--   of three, id, publisher's id, body; any other is an array of id, attempts and all its fields and values. The id of a
--   replayed entry starts with `r`. Where there is nothing: the milliseconds until something becomes due (-1: nothing
--   will), and the ids of the last entries of the stream and of the wake stream
-- include: time
-- include: full
-- include: wake
-- include: pack
-- include: put
-- include: give_back
-- include: expire
-- include: lasting

-- Messages that have become due which one call moves into the stream.
local MOVED = 500
-- Ended leases that one call inspects, and expired messages.
local ENDED = 16
local EXPIRED = 100
-- Milliseconds after which a consumer of ours that holds nothing and was not seen any more is removed.
local FORGOTTEN_MS = 3600000
-- The beginning of every lease's name.
local LEASE_PREFIX = 'lease:'

room, leaseMs, bytes, step = tonumber(room), tonumber(leaseMs), tonumber(bytes), tonumber(step)
if registered == '1' then
  local ends = c('ZSCORE', leases, mine)
  if not ends or tonumber(ends) <= now then return { -1 } end
end
local due = c('ZRANGEBYSCORE', delayed, '-inf', int(now), 'LIMIT', 0, MOVED)
-- A full server takes in no more than what leaves it at once.
if #due > room and isFull(leases) then due = { unpack(due, 1, room) } end
makeRoom(leases)
expire(EXPIRED)

local streams = { { stream, '' } }
if c('EXISTS', replay) == 1 then streams[2] = { replay, 'r' } end

-- Finds what has no lease: entries that a consumer of another kind took and never settled, what was given back where the
-- list of it is gone, and what was leased where the list of leases is gone.
local function sweep()
  local held = 0
  for _, s in ipairs(streams) do
    local consumers = redis.pcall('XINFO', 'CONSUMERS', s[1], group)
    for _, consumer in ipairs(consumers.err and {} or consumers) do
      local is = {}
      for i = 1, #consumer, 2 do is[consumer[i]] = consumer[i + 1] end
      local ours = string.sub(is.name, 1, #LEASE_PREFIX) == LEASE_PREFIX
      if is.name == HOLD then
        held = held + is.pending
      elseif is.name ~= mine and not c('ZSCORE', leases, is.name) then
        if is.pending > 0 and (ours or is.idle >= leaseMs) then
          c('ZADD', leases, int(now), is.name)
        elseif is.pending == 0 and ours and is.idle > FORGOTTEN_MS then
          c('XGROUP', 'DELCONSUMER', s[1], group, is.name)
        end
      end
    end
  end
  if held <= c('ZCARD', again) then return end
  for _, s in ipairs(streams) do
    local from, rows = '-', nil
    repeat
      rows = redis.pcall('XPENDING', s[1], group, from, '+', 1000, HOLD)
      if rows.err then break end
      for _, row in ipairs(rows) do
        c('ZADD', again, 'NX', 0, s[2] .. sortable(row[1]))
        from = '(' .. row[1]
      end
    until #rows < 1000
  end
end
if sweeping == '1' then sweep() end

for _, packed in ipairs(due) do
  local at, expires, id, headers, body = unpacked(packed)
  c('ZREM', delayed, packed)
  if expires == '' or tonumber(expires) > now then put(at, expires, id, headers, body) end
end
if #due > 0 then tell(channel) end

local out, n, dropped, given, spent = { now }, 1, false, 0, 0
local function hasRoom() return room > 0 and spent < bytes end
local function give(key, tag, entry, attempts)
  local id, fields = entry[1], entry[2]
  local count = #fields
  if count > 4 or count == 4 and fields[3] ~= 'id' then
    for i = 1, count, 2 do
      if fields[i] == 'expires' and (tonumber(fields[i + 1]) or math.huge) <= now then
        c('XACK', key, group, id)
        dropped = true
        return
      end
    end
  end
  room, given = room - 1, given + 1
  if attempts == 1 and tag == '' and fields[1] == 'data' then
    spent = spent + #fields[2]
    if count == 2 then
      out[n + 1], out[n + 2] = id, fields[2]
      n = n + 2
      return
    elseif count == 4 and fields[3] == 'id' then
      n = n + 1
      out[n] = { id, fields[4], fields[2] }
      return
    end
  end
  local whole = { tag .. id, attempts }
  for i = 1, count do
    whole[i + 2] = fields[i]
    spent = spent + #fields[i]
  end
  n = n + 1
  out[n] = whole
end
local function claim(key, tag, id, attempts)
  local entry = c('XCLAIM', key, group, mine, 0, id)[1]
  if entry and entry[2] then
    give(key, tag, entry, attempts)
  else
    c('XACK', key, group, id) -- somebody trimmed the entry away
  end
end

for _, old in ipairs(c('ZRANGEBYSCORE', leases, '-inf', int(now), 'LIMIT', 0, ENDED)) do
  if not hasRoom() then break end
  local empty = true
  for _, s in ipairs(streams) do
    local held = redis.pcall('XPENDING', s[1], group, '-', '+', room + 1, old)
    for i = 1, #held do
      if not hasRoom() then break end
      claim(s[1], s[2], held[i][1], held[i][4] + 1)
    end
    if not held.err and redis.pcall('XPENDING', s[1], group, '-', '+', 1, old)[1] then empty = false end
  end
  if empty then
    for _, s in ipairs(streams) do redis.pcall('XGROUP', 'DELCONSUMER', s[1], group, old) end
    c('ZREM', leases, old)
  else
    c('ZADD', leases, 0, old) -- it has ended, whatever becomes of the clock
  end
end

if hasRoom() then
  for _, member in ipairs(c('ZRANGEBYSCORE', again, '-inf', int(now), 'LIMIT', 0, room)) do
    if not hasRoom() then break end
    local key, tag, id = stream, '', member
    if string.sub(member, 1, 1) == 'r' then key, tag, id = replay, 'r', string.sub(member, 2) end
    id = plain(id)
    local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
    c('ZREM', again, member)
    if held and held[2] == HOLD then claim(key, tag, id, held[4] + 1) end
  end
end

-- Reads new entries, a few at first: how large they are is known once they are read. What is too much goes back uncounted.
local returned = false
local function read(key, tag)
  local count = math.min(room, step)
  while hasRoom() do
    local new = redis.pcall('XREADGROUP', 'GROUP', group, mine, 'COUNT', count, 'STREAMS', key, '>')
    if new and new.err then
      if key ~= stream then return end
      if not string.find(new.err, 'NOGROUP', 1, true) then return new end
      c('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
      c('DEL', settled) -- whatever is kept, this group has not settled it
      new = c('XREADGROUP', 'GROUP', group, mine, 'COUNT', count, 'STREAMS', key, '>')
    end
    if not new then return end
    local entries = new[1][2]
    for _, entry in ipairs(entries) do
      if spent < bytes then
        give(key, tag, entry, 1)
      else
        giveBack(key, entry[1], 0, 0)
        returned = true
      end
    end
    if #entries < count then return end
    count = math.min(room, math.max(1, math.floor((bytes - spent) * given / math.max(1, spent))))
  end
end
local refused = streams[2] and read(replay, 'r') or read(stream, '')
if refused then return refused end
if returned then wakeReaders(wake, channel) end

if n > 1 then
  c('ZADD', leases, int(from(leaseMs)), mine)
  if registered ~= '1' then keepLeases(leaseMs) end
  return out
end
local wait = dropped and 0 or -1
for _, key in ipairs({ delayed, leases, again }) do
  local first = c('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  if first then
    local left = math.max(0, tonumber(first) - now)
    if wait < 0 or left < wait then wait = left end
  end
end
local function last(key)
  local entry = c('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  return entry and entry[1] or '0-0'
end
return { now, wait, last(stream), last(wake) }
