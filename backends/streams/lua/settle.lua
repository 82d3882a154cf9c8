-- Settles deliveries.
--
-- Fenced by the lease: as long as it has not ended by the server's clock, nobody can have taken anything from it, so that
-- what was acknowledged under it was ours. When it has ended, each entry is inspected by itself. Anything but an
-- acknowledgement is done only where the entry is still this lease's, since doing it twice could take the entry from its
-- next owner. Not there although the lease lasts: it was settled by a call whose reply was lost.
--
-- KEYS: stream, wake, leases, again, replay, dead
-- ARGV: group, channel, ...
--   then any of `lease NAME` (what follows is under it), `ack N id...`, `retry id MS`, `release id`,
--   `dead id NAME MESSAGE`
-- Returns: a `1` or a `0` for each settlement, in the order of ARGV
-- include: time
-- include: tell
-- include: wake
-- include: hold
-- include: trim
-- include: owned
-- include: arguments
local answer, settled, given = {}, false, false
local function say(yes) answer[#answer + 1] = yes and '1' or '0' end
local function done(key, id)
  c('XACK', key, group, id)
  if key == replay then c('XDEL', key, id) end
  settled = true
end
local function giveBack(key, id, member, due, count)
  c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', count, 'JUSTID')
  c('ZADD', again, due, member)
  given = true
end
local act = {}
act['retry'] = function(key, id, member, count, delay)
  delay = tonumber(delay)
  giveBack(key, id, member, delay > 0 and int(from(delay)) or int(now), count)
end
act['release'] = function(key, id, member, count)
  -- By age: what is given back comes again in the order in which it was published. A score of this size has twelve
  -- bits to spare for the order within a millisecond.
  local ms, seq = parts(id)
  giveBack(key, id, member, string.format('%.6f', ms - 1 + math.min(seq, 4095) / 4096), count - 1)
end
act['dead'] = function(key, id, member, count, name, message)
  local letter = { 'XADD', dead, '*', 'error', name, 'message', message, 'attempts', count, 'entry', member }
  local entry = c('XRANGE', key, id, id)[1]
  for _, text in ipairs(entry and entry[2] or {}) do letter[#letter + 1] = text end
  c(unpack(letter))
  done(key, id)
end
local details = { retry = 1, release = 0, dead = 2 }
while left() do
  local what, first = take(2)
  if what == 'lease' then
    under(first)
  elseif what == 'ack' then
    local members = { take(tonumber(first)) }
    if valid and string.sub(members[1], 1, 1) ~= 'r' then
      c('XACK', stream, group, unpack(members))
      for _ = 1, #members do say(true) end
      settled = true
    else
      for _, member in ipairs(members) do
        local key, id = split(member)
        local ours = valid or owned(key, id)
        if ours then done(key, id) end
        say(ours)
      end
    end
  else
    local key, id = split(first)
    local count = owned(key, id)
    if count then act[what](key, id, first, count, take(details[what])) else take(details[what]) end
    say(count or valid)
  end
end
if settled then trim(stream) end
if given then wakeReaders(wake, channel) end
return table.concat(answer)
