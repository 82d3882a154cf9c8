-- backInTurn(g, key, id, due, attempts, name): gives back one of several messages of an ordering key that were leased
-- together: it waits at its place. Returns false, and does nothing, for one that was leased alone: that stays up.
-- include: hold
-- include: lanes
local function backInTurn(g, key, id, due, attempts, name)
  local value = c('HGET', g.turns, name)
  local member = value and string.match(value, '^%d*%+(.*)$')
  if not member then return false end
  c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
  c('HDEL', g.turns, name)
  if due ~= 0 then
    c('ZREM', g.lanes, member)
    c('ZADD', g.lanes, 0, member .. '@' .. due)
  end
  g.touched[partsOf(member)] = true
  return true
end
