-- forgetExpiring(ids): takes entries out of the index of what expires. removeEntries(ids): out of the stream, too.
-- include: parts
local function forgetExpiring(ids)
  if c('EXISTS', expiring) == 1 then each('ZREM', expiring, ids) end
end
local function removeEntries(ids)
  each('XDEL', stream, ids)
  forgetExpiring(ids)
end
