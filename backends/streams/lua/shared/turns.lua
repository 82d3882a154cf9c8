-- backInTurn(g, key, id, due, attempts, name, lane): gives back one of several messages of a lane that were leased
-- together: it waits at its place. Returns false, and does nothing, for one that was leased alone: that stays up.
-- include: hold
-- include: lanes
local function backInTurn(g, key, id, due, attempts, name, lane)
  local value = c('HGET', g.turns, lane)
  if not value or string.byte(value) ~= TOGETHER or not isNamed(value, name) then return false end
  local member
  if key == replay then
    local entry = c('XRANGE', key, id, id)[1]
    member = memberOf(lane, 'r', id, entry and select(3, ordering(entry[2])))
  else
    member = memberOf(lane, '', id)
  end
  c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
  c('ZADD', g.lanes, 0, member .. '@' .. due)
  c('HSET', g.turns, lane, waiting(value))
  leave(g, lane, name)
  return true
end
