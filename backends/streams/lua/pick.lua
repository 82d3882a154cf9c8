-- Lists chosen dead letters.
--
-- KEYS: dead
-- ARGV: ...
--   ids
-- Returns: the entries that are there
-- Traits: repeatable
local found = {}
for _, id in ipairs(ARGV) do
  local entry = redis.call('XRANGE', dead, id, id)[1]
  if entry then found[#found + 1] = entry end
end
return found
