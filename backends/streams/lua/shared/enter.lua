-- isBusy(g, lane): whether a lane has messages, in hand or waiting. enter(g, lane, name, member): adds a message to its lane;
-- returns whether it is up, since nobody was there.
-- include: lanes
local function isBusy(g, lane)
  local min, max = rangeOf(lane)
  return c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, 1)[1]
end
local function enter(g, lane, name, member)
  local free = not isBusy(g, lane)
  if free then c('HSET', g.turns, name, '|' .. member) end
  -- It may wait there already.
  if free then
    c('ZADD', g.lanes, 0, member)
  elseif not c('ZRANGEBYLEX', g.lanes, '[' .. member, '(' .. member .. 'A', 'LIMIT', 0, 1)[1] then
    c('ZADD', g.lanes, 0, member .. '@0')
  end
  return free
end
