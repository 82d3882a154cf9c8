-- Leases messages, and takes over what leases that have ended leave behind.
--
-- A lease is the name of a consumer of the group together with an end, in the set of leases. What is pending for that
-- consumer is leased until then. When the end has passed, the next receive takes it over under a lease of its own, one
-- entry at a time and atomically, so that an entry never has two owners.
--
-- KEYS: stream, wake, delayed, expiring, leases, again, replay, settled, lanes, turns, next
-- ARGV: group, mine, registered, room, leaseMs, sweeping, channel, bytes, step, together, patient, asRun
--   mine: the lease's name; registered: `1` if the server has it already; room: the most messages; sweeping: `1` to look
--   for entries without a lease; bytes: the most, but for one message that is larger; step: how many to read at first;
--   together: the most messages of one ordering key; patient: `1` where the caller waits when it gets nothing, `2` where
--   it wants to be told too that there is no more, `0` where it does not wait; asRun: `1` to keep a run as one
-- Returns: an array. The first item is the server's time, or -1 where the lease's name is spent. Then, where there is
--   anything, the deliveries: an entry with a body alone is two texts, id and body; those with an ordering key too that
--   follow one another are an array of `k`, or `run` where they are kept as one, their ids in the form of the names of a
--   run, an array of JSON of their ordering keys, and their bodies; one with the publisher's id is an array of three, id,
--   publisher's id, body; one with an ordering key and either that or blocked is an array of five, id, body, ordering key,
--   publisher's id or nothing, and blocked or nothing; any other is an array of id, attempts, and all its fields and values.
--   blocked: the milliseconds behind others of the ordering key; where there are any, and no five, they follow the attempts,
--   after a space. The id of a replayed entry starts with `r`. Behind the deliveries, where there was no more and the caller
--   wants to know: the milliseconds until something becomes due (-1: nothing will). Or -3, where they took all the room and
--   the next message waits behind another of its ordering key, or where nothing was read since a run is in hand. Where there
--   is nothing: the milliseconds until something becomes due (-1: nothing will; -2: there is more to look at, at once), and
--   the ids of the last entries of the stream and of the wake stream
-- include: time
-- include: full
-- include: wake
-- include: due
-- include: give_back
-- include: expire
-- include: lasting
-- include: turns

-- Messages that have become due which one call moves into the stream.
local MOVED = 500
-- Ended leases that one call inspects, and expired messages.
local ENDED = 16
local EXPIRED = 100
-- Messages that one call passes because they wait behind others of their ordering keys, and the most that are read at once.
local PASSED = 1000
local PASSED_AT_ONCE = 200
-- Milliseconds after which a consumer of ours that holds nothing and was not seen any more is removed.
local FORGOTTEN_MS = 3600000
-- The beginning of every lease's name.
local LEASE_PREFIX = 'lease:'

room, leaseMs, bytes, step, together = tonumber(room), tonumber(leaseMs), tonumber(bytes), tonumber(step), tonumber(together)
if registered == '1' then
  local ends = c('ZSCORE', leases, mine)
  if not ends or tonumber(ends) <= now then return { -1 } end
end
local due = dueNow(MOVED)
-- A full server takes in no more than what leaves it at once.
if #due > room and isFull(leases) then due = { unpack(due, 1, room) } end
makeRoom(leases)
moveIn(due)
if #due > 0 then tell(channel) end
expire(EXPIRED)
-- For other groups, too.
local expiryFreed = freed

local streams = { { stream, '' } }
if c('EXISTS', replay) == 1 then streams[2] = { replay, 'r' } end
local g = groupOf(group, lanes, turns, again, next)
-- include: sweep
if sweeping == '1' then sweep(g) end
-- Whether the group has messages with ordering keys in hand.
local ordered = c('EXISTS', turns, lanes) > 0

-- include: given
local function hasRoom() return room > 0 and spent < bytes end
local function drop(key, id)
  c('XACK', key, group, id)
  dropped = true
end
-- include: together

-- Whether an entry of an unknown lane was missed that may have been up.
local lost = false
local function goOn()
  if lost then findDone(g) else advance(g) end
  lost = false
end

-- Leases an entry that is pending. free: when it came up, where that is known.
local function claim(key, tag, id, attempts, free)
  local entry = c('XCLAIM', key, group, mine, 0, id)[1]
  local fields = entry and entry[2]
  if not fields then
    c('XACK', key, group, id) -- somebody trimmed the entry away
    lost = lost or ordered
    return
  end
  local lane, over, after = detailsOf(fields)
  local member = lane and memberOf(lane, tag, id, after)
  if over then
    drop(key, id)
    if lane then leave(g, lane, tag .. id) end
  elseif lane and not enter(g, lane, tag .. id, member) then
    c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts - 1, 'JUSTID') -- a consumer of another kind had taken it
  else
    give(key, tag, entry, attempts, lane, blockedFor(free, id, attempts))
    if lane and together > 1 then join(lane, tag .. id, member, free) end
  end
end
-- The lane of an entry that is up.
local function laneUp(key, tag, id)
  local entry = c('XRANGE', key, id, id)[1]
  local lane = entry and detailsOf(entry[2])
  local value = lane and c('HGET', turns, lane)
  return value and isNamed(value, tag .. id) and lane
end

local ended = c('ZRANGEBYSCORE', leases, '-inf', int(now), 'LIMIT', 0, ENDED)
if #ended > 0 then spreadRun(turns) end
-- Whether there is more to take over: messages of one turn are given back first, all of them.
local unfinished = #ended == ENDED
for _, old in ipairs(ended) do
  if not hasRoom() then break end
  local empty = true
  for _, s in ipairs(streams) do
    local key, tag = s[1], s[2]
    local held = redis.pcall('XPENDING', key, group, '-', '+', room + 1, old)
    for i = 1, #held do
      if not hasRoom() then break end
      local id, attempts = held[i][1], held[i][4]
      local lane = ordered and laneUp(key, tag, id)
      if not lane then
        claim(key, tag, id, attempts + 1)
      elseif not backInTurn(g, key, id, 0, attempts, tag .. id, lane) then
        giveBack(key, id, 0, attempts)
      end
    end
    if not held.err and redis.pcall('XPENDING', key, group, '-', '+', 1, old)[1] then empty = false end
  end
  if empty then
    for _, s in ipairs(streams) do redis.pcall('XGROUP', 'DELCONSUMER', s[1], group, old) end
    c('ZREM', leases, old)
  else
    c('ZADD', leases, 0, old) -- it has ended, whatever becomes of the clock
    unfinished = true
  end
end
goOn()

-- include: taking
if takeAgain(math.ceil(room / 2)) then
  takeNext()
  takeAgain(room)
else
  takeNext()
end

-- include: reading
local refused = streams[2] and read(replay, 'r') or read(stream, '')
if refused then return refused end
if opened then
  ordered = true -- the group may have had none before this call
  takeNext()
end
if returned or expiryFreed or freed and not hasRoom() then wakeReaders(wake, channel) end

endRun()
local wait = unfinished and -2 or pause or cut and -2 or dropped and 0 or -1
if n > 1 then
  c('ZADD', leases, int(from(leaseMs)), mine)
  if registered ~= '1' then keepLeases(leaseMs) end
  if behind then out[n + 1] = -3 end
  if patient ~= '2' or wait ~= -1 or not hasRoom() then return out end
end
for _, key in ipairs((wait == -1 or wait == pause) and { delayed, leases, again } or {}) do
  local first = c('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  if first then
    local left = math.max(0, tonumber(first) - now)
    if wait < 0 or left < wait then wait = left end
  end
end
if n > 1 then
  out[n + 1] = wait
  return out
end
local function last(key)
  local entry = c('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  return entry and entry[1] or '0-0'
end
return { now, wait, last(stream), last(wake) }
