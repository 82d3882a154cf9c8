-- Names the groups of a stream.
--
-- KEYS: stream
-- ARGV: none
-- Returns: their names
-- Traits: repeatable
local names = {}
local groups = redis.pcall('XINFO', 'GROUPS', stream)
for _, fields in ipairs(groups.err and {} or groups) do
  for i = 1, #fields, 2 do if fields[i] == 'name' then names[#names + 1] = fields[i + 1] end end
end
return names
