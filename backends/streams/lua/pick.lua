-- Lists chosen dead letters.
--
-- KEYS: dead
-- ARGV: bytes, ...
--   bytes: the most; then ids
-- Returns: how many ids were looked up, and the entries that are there
-- Traits: repeatable
-- include: page
local found = {}
for i = taken + 1, #ARGV do
  local entry = redis.call('XRANGE', dead, ARGV[i], ARGV[i])[1]
  if entry and not fits(entry) then return { i - taken - 1, unpack(found) } end
  found[#found + 1] = entry
end
return { #ARGV - taken, unpack(found) }
