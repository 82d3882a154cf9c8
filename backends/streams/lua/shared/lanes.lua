-- Ordering keys, as a group sees them. The sorted set `lanes` has every message with an ordering key that the group has
-- read and nobody has settled: its members, all of score 0, sort by ordering key and then by place. Of each key those
-- that are up, leased or in `again`, are in the hash `turns` as well; the others wait, held by HOLD. Where a key has
-- messages, one at least is up: so a new message finds out by a look into `lanes` alone that it has to wait.
--
-- A member of `lanes` is the lane, the place, and for a message that waits with a retry's delay `@` and its time. A value
-- in `turns` is the time at which the message before it was done, where there was one; `|` or, where it was leased
-- together with others, `+`; and its member of `lanes`.
--
-- ordering(fields): of an entry that has more than a body and an id: the lane, whether its time to live is over, and where
-- the stream ended when it was replayed. memberOf(lane, tag, id, after), partsOf(member), rangeOf(lane).
-- leave(g, names): takes what is done out of what is up. advance(g): where nobody is up any more, the next is; returns 0
-- where nothing came up.
-- freed: whether anybody is up who was not before.
-- include: time
-- include: ids
-- include: parts
-- A longer ordering key is represented by its digest.
local LONGEST = 40
local freed = false
local function ordering(fields)
  local lane, over, after
  for i = 1, #fields, 2 do
    local name = fields[i]
    if name == 'orderingKey' then
      local text = fields[i + 1]
      if not lane and text ~= '' then
        lane = #text <= LONGEST and 'k' .. #text .. ':' .. text or 's' .. redis.sha1hex(text)
      end
    elseif name == 'expires' then
      if over == nil then over = (tonumber(fields[i + 1]) or math.huge) <= now end
    elseif name == 'after' then
      after = after or string.match(fields[i + 1], '^%d+-%d+$')
    end
  end
  return lane, over, after
end
-- A replayed message has its place behind the entry that was the stream's last.
local function memberOf(lane, tag, id, after)
  if tag == '' then return lane .. sortable(id) .. 'a' end
  return lane .. sortable(after or '0-0') .. 'r' .. sortable(id) .. 'r'
end
-- A replayed message that waits until its group has read as far as the stream went at that time.
local function gateOf(lane, id, after) return memberOf('g', 'r', id, after) .. lane end
-- Returns the lane, `r` for a replayed one, the id as a sortable text, the member without its time, and the time.
local function partsOf(member)
  local last, due = string.sub(member, -1), nil
  if last ~= 'a' and last ~= 'r' then
    due = string.match(member, '@(%d+)$')
    member = string.sub(member, 1, -#due - 2)
    last = string.sub(member, -1)
  end
  return string.sub(member, 1, last == 'r' and -85 or -43), last == 'r' and 'r' or '', string.sub(member, -42, -2), member, due
end
local function rangeOf(lane) return '[' .. lane, '(' .. lane .. ':' end

local function groupOf(name, lanes, turns, again)
  return { name = name, lanes = lanes, turns = turns, again = again, touched = {} }
end
local function leave(g, names)
  local up, gone = {}, {}
  for from = 1, #names, PART do
    local some = { unpack(names, from, math.min(from + PART - 1, #names)) }
    for i, value in ipairs(c('HMGET', g.turns, unpack(some))) do
      if value then
        local kind, member = string.match(value, '^%d*([|+])(.*)$')
        up[#up + 1], gone[#gone + 1] = some[i], member
        local lane = partsOf(member)
        g.touched[lane] = g.touched[lane] or kind == '+'
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
    local _, tag, id = partsOf(member)
    names[#names + 1] = tag .. plain(id)
  end
  for _, value in ipairs(#names > 0 and c('HMGET', g.turns, unpack(names)) or {}) do
    if value then return true end
  end
  return false
end
local function advance(g)
  local up, due = {}, {}
  for lane, together in pairs(g.touched) do
    local min, max = rangeOf(lane)
    local first = c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, 1)[1]
    if first and not (together and isUp(g, lane)) then
      local _, tag, id, member, at = partsOf(first)
      if at then
        c('ZREM', g.lanes, first)
        c('ZADD', g.lanes, 0, member)
      end
      up[#up + 1] = tag .. plain(id)
      up[#up + 1] = int(now) .. '|' .. member
      due[#due + 1] = at or 0
      due[#due + 1] = tag .. id
      freed = true
    end
  end
  g.touched = {}
  each('HSET', g.turns, up)
  each('ZADD', g.again, due)
  return #up
end
