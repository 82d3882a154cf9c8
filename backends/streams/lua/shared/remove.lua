-- forgetExpiring(ids): takes entries out of the index of what expires. removeEntries(ids): out of the stream, too.
local PART = 1000
local function forgetExpiring(ids)
  if c('EXISTS', expiring) == 0 then return end
  for i = 1, #ids, PART do c('ZREM', expiring, unpack(ids, i, math.min(i + PART - 1, #ids))) end
end
local function removeEntries(ids)
  for i = 1, #ids, PART do c('XDEL', stream, unpack(ids, i, math.min(i + PART - 1, #ids))) end
  forgetExpiring(ids)
end
