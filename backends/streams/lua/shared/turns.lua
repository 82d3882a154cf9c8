-- backInTurn(g, key, id, due, attempts, name): gives back one of several messages of an ordering key that were leased
-- together: it waits at its place. Returns false, and does nothing, for one that was leased alone: that stays up.
-- include: hold
-- include: lanes
local function backInTurn(g, key, id, due, attempts, name)
  local value = c('HGET', g.turns, name)
  if not value or string.sub(value, 1, 1) ~= '+' then return false end
  local member = string.sub(value, 2)
  c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
  c('HDEL', g.turns, name)
  c('ZREM', g.lanes, member)
  c('ZADD', g.lanes, 0, member .. '@' .. due)
  g.touched[laneIn(member)] = true
  return true
end
