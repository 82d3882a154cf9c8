-- enter(g, lane, name, member): adds a message to its lane, unless it is there; returns whether it is up.
-- include: lanes
local function enter(g, lane, name, member)
  local value = c('HGET', g.turns, lane)
  if not value then c('HSET', g.turns, lane, name) end
  if not value or isNamed(value, name) then return true end
  if not c('ZRANGEBYLEX', g.lanes, '[' .. member, '(' .. member .. 'A', 'LIMIT', 0, 1)[1] then
    c('ZADD', g.lanes, 0, member .. '@0')
  end
  c('HSET', g.turns, lane, waiting(value))
  return false
end
