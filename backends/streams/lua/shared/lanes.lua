-- Ordering keys, as a group sees them. A lane is an ordering key in the form that the server's keys hold. The hash `turns`
-- has the lanes whose messages the group has read and nobody has settled, and says which of those are up: leased, given
-- back in `again`, or in `next`. The others wait, held by HOLD, in the sorted set `lanes`: its members, all of score 0,
-- sort by lane and then by place. Where a lane has messages, one at least is up.
--
-- A value in `turns` is the name of the one message that is up, where none waits: that is the case of most. Else there are
-- two marks in front: `+` where messages may have been leased together, or `|`; and `>` where others may wait, or `.`; then
-- the names of those that are up, with spaces between them. A name is an entry's id, with an `r` in front of that of a
-- replayed one. A member of `lanes` is the lane with its length in front, as a byte; the place; and for a message that was
-- given back `@` and the time of its retry. The sorted set `next` has the names of those that came up and were never
-- delivered, by the time at which they did: nothing about them depends on the clock.
--
-- ordering(fields): of an entry that has more than a body and an id: the lane, whether its time to live is over, and where
-- the stream ended when it was replayed. memberOf(lane, tag, id, after), partsOf(member, lane), rangeOf(lane).
-- namesOf(value): of a value of `turns`. isNamed(value, name): whether it has that name. waiting(value): the value where
-- others wait. leave(g, lane, name): notes that a message is done. advance(g): takes all of those out of what is up; where
-- nobody is up any more, the next is; returns how many came up.
-- freed: whether readers have something to come for: a message is up that was not, or a lane is idle for which they waited.
-- include: time
-- include: ids
-- include: parts
-- A lane is the ordering key itself. A longer one is represented by its digest, which is made longer than any other lane.
local LONGEST = 60
local freed = false
local function laneOf(text)
  return #text <= LONGEST and text or redis.sha1hex(text) .. string.rep('#', LONGEST - 39)
end
local function ordering(fields)
  local lane, over, after
  for i = 1, #fields, 2 do
    local name = fields[i]
    if name == 'orderingKey' then
      -- Of two fields of one name the first counts.
      if lane == nil then lane = fields[i + 1] ~= '' and laneOf(fields[i + 1]) end
    elseif name == 'expires' then
      if over == nil then over = (tonumber(fields[i + 1]) or math.huge) <= now end
    elseif name == 'after' then
      after = after or string.match(fields[i + 1], '^%d+-%d+$')
    end
  end
  return lane, over, after
end

-- An id as a text that sorts as the id does: each number has its length in front, as a letter. Without patterns, which
-- are slow. idAt(text, from): the id that begins there, and where it ends.
local function placeOf(id)
  local dash = string.find(id, '-', 1, true)
  return string.char(64 + dash) .. string.sub(id, 1, dash) .. string.char(64 + #id - dash) .. string.sub(id, dash + 1)
end
local function idAt(text, from)
  local dash = from + string.byte(text, from) - 64
  local last = dash + 1 + string.byte(text, dash + 1) - 64
  return string.sub(text, from + 1, dash) .. string.sub(text, dash + 2, last), last
end
-- A replayed message has its place behind the entry that was the stream's last.
local function replayedPlace(id, after) return placeOf(after or '0-0') .. 'r' .. placeOf(id) end
local function prefixOf(lane) return string.char(#lane) .. lane end
local function memberOf(lane, tag, id, after)
  if tag == '' then return prefixOf(lane) .. placeOf(id) end
  return prefixOf(lane) .. replayedPlace(id, after)
end
-- A replayed message that waits until its group has read as far as the stream went at that time. No lane is as long as
-- the number of this letter.
local function gateOf(lane, id, after) return 'g' .. replayedPlace(id, after) .. lane end
local REPLAYED = string.byte('r')
-- Returns the name of a member of a lane, and the time of its retry.
local function partsOf(member, lane)
  local name, last = idAt(member, #lane + 2)
  if string.byte(member, last + 1) == REPLAYED then
    name, last = idAt(member, last + 2)
    name = 'r' .. name
  end
  return name, last < #member and string.sub(member, last + 2) or nil
end
local function rangeOf(lane)
  local prefix = prefixOf(lane)
  return '[' .. prefix, '(' .. prefix .. 'Z'
end

-- gone: names that are done, by lane. idle: lanes that have nobody any more. left: whether others have none, either.
local function groupOf(name, lanes, turns, again, next)
  return { name = name, lanes = lanes, turns = turns, again = again, next = next, gone = {}, idle = {}, left = false }
end
local ALONE, TOGETHER, WAITING = string.byte('|+>', 1, 3)
-- A field of `turns` that is there while a reader waits for a lane to become idle, before the group looks further: longer
-- than any lane.
local LOOK = 'looklooklooklooklooklooklooklooklooklooklooklooklooklooklooklook'
local function namesOf(value)
  local mark = string.byte(value)
  return (mark == ALONE or mark == TOGETHER) and string.sub(value, 3) or value
end
local function isNamed(value, name)
  return value == name or string.find(' ' .. namesOf(value) .. ' ', ' ' .. name .. ' ', 1, true) ~= nil
end
local function waiting(value)
  if string.byte(value, 2) == WAITING then return value end
  return (string.byte(value) == TOGETHER and '+>' or '|>') .. namesOf(value)
end
local function leave(g, lane, name)
  local gone = g.gone[lane]
  g.gone[lane] = gone and gone .. ' ' .. name or name
end
local function without(names, gone)
  if names == gone then return '' end
  local rest = {}
  gone = ' ' .. gone .. ' '
  for name in string.gmatch(names, '%S+') do
    if not string.find(gone, ' ' .. name .. ' ', 1, true) then rest[#rest + 1] = name end
  end
  return table.concat(rest, ' ')
end
local function sortableName(name)
  return string.byte(name) == REPLAYED and 'r' .. sortable(string.sub(name, 2)) or sortable(name)
end
local function advance(g)
  local some, idle, turns, up, due, fresh = {}, g.idle, {}, {}, {}, {}
  local function comesUp(lane)
    local min, max = rangeOf(lane)
    local first, second = unpack(c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, 2))
    if not first then return end
    local name, at = partsOf(first, lane)
    local list = at and due or fresh
    list[#list + 1] = at or int(now)
    list[#list + 1] = at and sortableName(name) or name
    up[#up + 1] = first
    return second and '|>' .. name or name
  end
  local function go(lane, value)
    local names = namesOf(value)
    local rest = without(names, g.gone[lane])
    if rest == names then return end
    local left = rest ~= '' and string.sub(value, 1, 2) .. rest or string.byte(value, 2) == WAITING and comesUp(lane)
    if left then
      turns[#turns + 1] = lane
      turns[#turns + 1] = left
    else
      idle[#idle + 1] = lane
    end
  end
  for lane in pairs(g.gone) do some[#some + 1] = lane end
  for from = 1, #some, PART do
    local values = c('HMGET', g.turns, unpack(some, from, math.min(from + PART - 1, #some)))
    for i = 1, #values do
      if values[i] then go(some[from + i - 1], values[i]) end
    end
  end
  local left = g.left or #idle > 0
  g.gone, g.idle, g.left = {}, {}, false
  each('HDEL', g.turns, idle)
  each('HSET', g.turns, turns)
  each('ZREM', g.lanes, up)
  each('ZADD', g.again, due)
  each('ZADD', g.next, fresh)
  freed = freed or #up > 0 or left and c('HDEL', g.turns, LOOK) == 1
  return #up
end
