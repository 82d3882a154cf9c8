-- Leases messages, and takes over what leases that have ended leave behind.
--
-- A lease is the name of a consumer of the group together with an end, in the set of leases. What is pending for that
-- consumer is leased until then. When the end has passed, the next receive takes it over under a lease of its own, one
-- entry at a time and atomically, so that an entry never has two owners.
--
-- KEYS: stream, wake, delayed, expiring, leases, again, replay
-- ARGV: group, mine, registered, room, leaseMs, sweeping, channel
--   mine: the lease's name; registered: `1` if the server has it already; room: the most messages; sweeping: `1` to look
--   for entries without a lease
-- Returns: an array. The first item is the server's time, or -1 where the lease's name is spent. Then, where there is
--   anything, the deliveries: an entry with a body alone is two texts, id and body; one with the publisher's id is an array
--   of three, id, publisher's id, body; any other is an array of id, attempts and all its fields and values. The id of a
--   replayed entry starts with `r`. Where there is nothing: the milliseconds until something becomes due (-1: nothing
--   will), and the ids of the last entries of the stream and of the wake stream
-- include: time
-- include: tell
-- include: hold
-- include: pack

-- Messages that have become due which one call moves into the stream.
local MOVED = 500
-- Ended leases that one call inspects.
local ENDED = 16
-- Milliseconds after which a consumer of ours that holds nothing and was not seen any more is removed.
local FORGOTTEN_MS = 3600000
-- The beginning of every lease's name.
local LEASE_PREFIX = 'lease:'

room, leaseMs = tonumber(room), tonumber(leaseMs)
if registered == '1' then
  local ends = c('ZSCORE', leases, mine)
  if not ends or tonumber(ends) <= now then return { -1 } end
end
local function sweep(stream, tag)
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
  if consumers.err then return end
  for _, consumer in ipairs(consumers) do
    local is = {}
    for i = 1, #consumer, 2 do is[consumer[i]] = consumer[i + 1] end
    if is.name == HOLD then
      if is.pending > c('ZCARD', again) then
        for _, held in ipairs(c('XPENDING', stream, group, '-', '+', 1000, HOLD)) do
          c('ZADD', again, 'NX', int(now), tag .. held[1])
        end
      end
    elseif is.name ~= mine and not c('ZSCORE', leases, is.name) then
      if is.pending > 0 and is.idle >= leaseMs then
        c('ZADD', leases, int(now), is.name)
      elseif is.pending == 0 and is.idle > FORGOTTEN_MS and string.find(is.name, LEASE_PREFIX, 1, true) == 1 then
        c('XGROUP', 'DELCONSUMER', stream, group, is.name)
      end
    end
  end
end
local due = c('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, MOVED)
for _, packed in ipairs(due) do
  local at, expires, id, headers, body = unpacked(packed)
  if expires == '' or tonumber(expires) > now then put(stream, expiring, at, expires, id, headers, body) end
  c('ZREM', delayed, packed)
end
if #due > 0 then tell(channel) end

local out, n, dropped = { now }, 1, false
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
  room = room - 1
  if attempts == 1 and tag == '' and fields[1] == 'data' then
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
  for i = 1, count do whole[i + 2] = fields[i] end
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

local streams = { { stream, '' } }
if c('EXISTS', replay) == 1 then streams[2] = { replay, 'r' } end
if sweeping == '1' then
  for _, s in ipairs(streams) do sweep(s[1], s[2]) end
end

for _, old in ipairs(c('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, ENDED)) do
  if room <= 0 then break end
  local empty = true
  for _, s in ipairs(streams) do
    local held = redis.pcall('XPENDING', s[1], group, '-', '+', room + 1, old)
    for i = 1, math.min(#held, room) do claim(s[1], s[2], held[i][1], held[i][4] + 1) end
    if not held.err and redis.pcall('XPENDING', s[1], group, '-', '+', 1, old)[1] then empty = false end
  end
  if empty then
    for _, s in ipairs(streams) do redis.pcall('XGROUP', 'DELCONSUMER', s[1], group, old) end
    c('ZREM', leases, old)
  end
end

if room > 0 then
  for _, member in ipairs(c('ZRANGEBYSCORE', again, '-inf', now, 'LIMIT', 0, room)) do
    local replayed = string.sub(member, 1, 1) == 'r'
    local key, tag, id = stream, '', member
    if replayed then key, tag, id = replay, 'r', string.sub(member, 2) end
    local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
    c('ZREM', again, member)
    if held and held[2] == HOLD then claim(key, tag, id, held[4] + 1) end
  end
end

if room > 0 and streams[2] then
  local new = redis.pcall('XREADGROUP', 'GROUP', group, mine, 'COUNT', room, 'STREAMS', replay, '>')
  if new and not new.err then
    for _, entry in ipairs(new[1][2]) do give(replay, 'r', entry, 1) end
  end
end

if room > 0 then
  local new = redis.pcall('XREADGROUP', 'GROUP', group, mine, 'COUNT', room, 'STREAMS', stream, '>')
  if new and new.err then
    if not string.find(new.err, 'NOGROUP', 1, true) then return new end
    c('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    new = c('XREADGROUP', 'GROUP', group, mine, 'COUNT', room, 'STREAMS', stream, '>')
  end
  if new then
    for _, entry in ipairs(new[1][2]) do give(stream, '', entry, 1) end
  end
end

if n > 1 then
  c('ZADD', leases, int(from(leaseMs)), mine)
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
