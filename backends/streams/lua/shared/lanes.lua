-- Ordering keys, as a group sees them. The sorted set `lanes` has every message with an ordering key that the group has
-- read and nobody has settled: its members, all of score 0, sort by ordering key and then by place. Of each key those
-- that are up are in the hash `turns` as well: leased, given back in `again`, or in `next`. The others wait, held by HOLD.
-- Where a key has messages, one at least is up: so a new message finds out by a look into `lanes` alone that it has to
-- wait.
--
-- The sorted set `next` has those that came up and were never delivered, by the time at which they did: nothing about
-- them depends on the clock. A member of `lanes` is the lane, the place, and for a message that was given back and waits `@`
-- and the time of its retry. A value in `turns` is `|` or, for one that was leased together with others, `+`, and its
-- member of `lanes`.
--
-- ordering(fields): of an entry that has more than a body and an id: the lane, whether its time to live is over, and where
-- the stream ended when it was replayed. memberOf(lane, tag, id, after), laneIn(member), partsOf(member, lane),
-- rangeOf(lane).
-- leave(g, names): takes what is done out of what is up. advance(g): where nobody is up any more, the next is; returns 0
-- where nothing came up.
-- freed: whether anybody is up who was not before.
-- include: time
-- include: ids
-- include: parts
-- A longer ordering key is represented by its digest: what begins alike is slow to compare.
local LONGEST = 20
local freed = false
local function laneOf(text)
  return #text <= LONGEST and 'k' .. #text .. ':' .. text or 's' .. redis.sha1hex(text)
end
local function ordering(fields)
  local lane, over, after
  for i = 1, #fields, 2 do
    local name = fields[i]
    if name == 'orderingKey' then
      local text = fields[i + 1]
      if not lane and text ~= '' then lane = laneOf(text) end
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
local function memberOf(lane, tag, id, after)
  if tag == '' then return lane .. placeOf(id) end
  return lane .. placeOf(after or '0-0') .. 'r' .. placeOf(id)
end
-- A replayed message that waits until its group has read as far as the stream went at that time.
local function gateOf(lane, id, after) return memberOf('g', 'r', id, after) .. lane end
local DIGEST, REPLAYED = string.byte('sr', 1, 2)
local function laneIn(member)
  if string.byte(member, 1) == DIGEST then return string.sub(member, 1, 41) end
  local colon = string.find(member, ':', 1, true)
  return string.sub(member, 1, colon + tonumber(string.sub(member, 2, colon - 1)))
end
-- Returns the name of a member of a lane, its id with an `r` in front of that of a replayed one; the member without its
-- time; and the time.
local function partsOf(member, lane)
  local name, last = idAt(member, #lane + 1)
  if string.byte(member, last + 1) == REPLAYED then
    name, last = idAt(member, last + 2)
    name = 'r' .. name
  end
  if last == #member then return name, member end
  return name, string.sub(member, 1, last), string.sub(member, last + 2)
end
local function rangeOf(lane) return '[' .. lane, '(' .. lane .. 'Z' end

local function groupOf(name, lanes, turns, again, next)
  return { name = name, lanes = lanes, turns = turns, again = again, next = next, touched = {} }
end
local function leave(g, names)
  local up, gone = {}, {}
  for from = 1, #names, PART do
    local some = { unpack(names, from, math.min(from + PART - 1, #names)) }
    for i, value in ipairs(c('HMGET', g.turns, unpack(some))) do
      if value then
        local member = string.sub(value, 2)
        local lane = laneIn(member)
        up[#up + 1], gone[#gone + 1] = some[i], member
        g.touched[lane] = g.touched[lane] or string.sub(value, 1, 1) == '+'
      end
    end
  end
  each('HDEL', g.turns, up)
  each('ZREM', g.lanes, gone)
end
-- Whether some of a turn are up yet. They stand among the first of their lane.
local function isUp(g, lane)
  local min, max = rangeOf(lane)
  local names = {}
  for _, member in ipairs(c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, PART)) do
    names[#names + 1] = partsOf(member, lane)
  end
  for _, value in ipairs(#names > 0 and c('HMGET', g.turns, unpack(names)) or {}) do
    if value then return true end
  end
  return false
end
local function advance(g)
  local up, fresh, due, nowText = {}, {}, {}, int(now)
  for lane, together in pairs(g.touched) do
    local min, max = rangeOf(lane)
    local first = c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, 1)[1]
    if first and not (together and isUp(g, lane)) then
      local name, member, at = partsOf(first, lane)
      if at then
        c('ZREM', g.lanes, first)
        c('ZADD', g.lanes, 0, member)
        due[#due + 1] = at
        due[#due + 1] = string.byte(name, 1) == REPLAYED and 'r' .. sortable(string.sub(name, 2)) or sortable(name)
      else
        fresh[#fresh + 1] = nowText
        fresh[#fresh + 1] = name
      end
      up[#up + 1] = name
      up[#up + 1] = '|' .. member
      freed = true
    end
  end
  g.touched = {}
  each('HSET', g.turns, up)
  each('ZADD', g.again, due)
  each('ZADD', g.next, fresh)
  return #up
end
