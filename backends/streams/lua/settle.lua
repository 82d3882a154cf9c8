-- Settles deliveries.
--
-- Each is done only where its lease, or the one that it may have moved to, owns the entry; `1` says that it was done. A
-- lease that has not ended by the server's clock is believed for acknowledgements as a whole: nobody takes anything from
-- it, but for a consumer of another kind in the group, and for a renewal whose answer was lost; where either may have
-- been, each entry is asked for. Where a settlement is repeated, since its answer was lost, and the entry is not there
-- although the lease lasts, the first run did it.
--
-- What is done with an ordering key makes room for the next of its key. Of messages that were leased together, one that is
-- given back takes its place among those that wait, and comes when none of them is leased any more.
--
-- KEYS: stream, wake, leases, again, replay, dead, expiring, settled, lanes, turns, next
-- ARGV: group, channel, keep, ...
--   keep: settled entries that stay; then any of `lease NAME OTHER REPEATED` (what follows is under it; OTHER: a lease
--   that its entries may have moved to, or nothing; REPEATED: `1` where the answer of a first run was lost),
--   `ack N id...`, `next N id... KEYS` (an acknowledgement of messages with ordering keys, which are an array of JSON),
--   `turn N id... KEYS` (the same where others of an ordering key may have been leased together with it),
--   `run N id... NAMES` (an acknowledgement of a whole run, with its names as the receive returned them),
--   `part N id... KEYS` (of a part of a run), `spread` (some of what follows is of a run),
--   `one id key` (an acknowledgement by itself), `retry id key MS`, `release id key`, `dead id key NAME MESSAGE`; key: the
--   ordering key, or nothing
-- Returns: a text of a `1`, a `0` or, where the server refused it, an `x` for each settlement, in the order of ARGV; where
--   there is an `x`, an array of that text and a reason for each
-- include: time
-- include: full
-- include: wake
-- include: give_back
-- include: groups
-- include: settled
-- include: owned
-- include: fields
-- include: turns
-- include: left
-- include: arguments
keep = tonumber(keep)
makeRoom(leases)
local said, reasons, acked, replayed, given = {}, {}, {}, false, false
local function say(word) said[#said + 1] = word end
local repeatedly = false

-- Whether consumers that are not ours hold entries of the group.
local strangers
local function strange()
  if strangers == nil then
    local pending = redis.pcall('XPENDING', stream, group)
    strangers = pending.err ~= nil
    for _, consumer in ipairs(pending[4] or {}) do
      if consumer[1] ~= HOLD and string.sub(consumer[1], 1, 6) ~= 'lease:' then strangers = true end
    end
  end
  return strangers
end
local g = groupOf(group, lanes, turns, again, next)
local function done(key, id, _, member, lane)
  c('XACK', key, group, id)
  if lane then leave(g, lane, member) end
  if key == replay then
    c('XDEL', key, id)
    replayed = true
  else
    acked[#acked + 1] = id
  end
end
-- Of a lease that lasts, nobody but a first run, or a stranger, can have taken an entry.
local function wasDone()
  return repeatedly and valid and otherLease == '' and not strange()
end

local act = {}
act['one'] = done
local function back(key, id, due, attempts, member, lane)
  if not lane or not backInTurn(g, key, id, due, attempts, member, lane) then giveBack(key, id, due, attempts) end
  given = true
end
act['retry'] = function(key, id, attempts, member, lane, delay)
  delay = tonumber(delay)
  back(key, id, delay > 0 and int(from(delay)) or 0, attempts, member, lane)
end
act['release'] = function(key, id, attempts, member, lane) back(key, id, 0, attempts - 1, member, lane) end
act['dead'] = function(key, id, attempts, member, lane, name, message)
  local entry = c('XRANGE', key, id, id)[1]
  local letter = { 'XADD', dead, '*', 'error', name, 'message', message, 'attempts', attempts, 'entry', member, 'died', int(now) }
  c(unpack(withFields(letter, entry and entry[2] or {})))
  done(key, id, attempts, member, lane)
end
-- In a text of which somebody has decoded what is no UTF-8: U+FFFD.
local LOST = '\239\191\189'
local function laneOfEntry(key, id, text)
  local entry = string.find(text, LOST, 1, true) and c('XRANGE', key, id, id)[1]
  return entry and ordering(entry[2]) or laneOf(text)
end
local function settle(what, member, text, ...)
  local key, id = place(member)
  local lane = text and text ~= '' and laneOfEntry(key, id, text)
  local attempts = owned(key, id)
  if not attempts then
    -- What is not pending any more, whoever saw to it, must not hold its ordering key up.
    if attempts == nil and lane then leave(g, lane, member) end
    return say(wasDone() and '1' or '0')
  end
  local ok, refusal = pcall(act[what], key, id, attempts, member, lane, ...)
  say(ok and '1' or 'x')
  if not ok then reasons[#reasons + 1] = type(refusal) == 'table' and refusal.err or tostring(refusal) end
end
-- The ordering keys of the entries of a run, which are lanes.
local function textsOf(members)
  local texts = {}
  for i, member in ipairs(members) do
    local entry = c('XRANGE', stream, member, member)[1]
    texts[i] = entry and ordering(entry[2]) or ''
  end
  return texts
end
-- run: the names of the run that they are, in place of their ordering keys; part: they are a part of one.
local function acknowledge(members, texts, alone, run, part)
  if valid and otherLease == '' and string.sub(members[1], 1, 1) ~= 'r' and not strange() then
    local count = c('XACK', stream, group, unpack(members))
    say(string.rep('1', #members))
    -- Where some were not pending any more, the next of their ordering keys may be up already.
    alone = alone and count == #members
    if not (run and leaveRun(g, run)) then
      texts = texts or textsOf(members)
      if run or part then
        spreadRun(turns, alone and texts)
        g.left = g.left or alone
      end
      leaveAll(g, texts, members, alone)
    end
    if #acked == 0 then acked = members else for _, member in ipairs(members) do acked[#acked + 1] = member end end
  else
    texts = texts or textsOf(members)
    if run or part then spreadRun(turns) end
    for i, member in ipairs(members) do settle('one', member, texts[i]) end
  end
end

local details = { one = 0, retry = 1, release = 0, dead = 2 }
while left() do
  local what = take(1)
  if what == 'spread' then
    spreadRun(turns)
    what = take(1)
  end
  local first = take(1)
  if what == 'lease' then
    local other, repeated = take(2)
    under(first, other)
    repeatedly = repeated == '1'
  elseif what == 'ack' or what == 'next' or what == 'turn' then
    local members = { take(tonumber(first)) }
    acknowledge(members, what == 'ack' and {} or cjson.decode((take(1))), what == 'next')
  elseif what == 'run' then
    local members = { take(tonumber(first)) }
    acknowledge(members, nil, true, (take(1)))
  elseif what == 'part' then
    local members = { take(tonumber(first)) }
    acknowledge(members, cjson.decode((take(1))), true, nil, true)
  else
    settle(what, first, take(1 + details[what]))
  end
end
advance(g)
if #acked > 0 then discard(groupsOf(stream), acked, group, keep) end
if replayed and c('XLEN', replay) == 0 then c('DEL', replay) end
if given or freed then wakeReaders(wake, channel) end
local text = table.concat(said)
if #reasons > 0 then return { text, unpack(reasons) } end
return text
