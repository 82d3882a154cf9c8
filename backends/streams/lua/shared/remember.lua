-- What was returned for a batch is kept in a slot of its publisher, under the batch's token.
-- REMEMBERED_MS: how long, unless a later batch takes the slot.
local REMEMBERED_MS = 600000
local function answered(known, token)
  local mark = token .. '|'
  return known and string.sub(known, 1, #mark) == mark and string.sub(known, #mark + 1)
end
local function remember(slot, token, answer)
  return redis.call('SET', slot, token .. '|' .. answer, 'PX', REMEMBERED_MS, 'GET')
end
