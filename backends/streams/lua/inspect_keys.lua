-- Names streams, and sets of delayed messages, among the next keys of a server.
--
-- KEYS: none
-- ARGV: cursor, count
--   cursor: 0, then what the call before returned; count: about how many keys are looked at
-- Returns: the next cursor, 0 after the last call, and names, with `s` in front of a stream and `d` in front of a set
-- Traits: repeatable
local page = redis.call('SCAN', cursor, 'COUNT', count)
local found = { page[1] }
for _, key in ipairs(page[2]) do
  local kind = redis.pcall('TYPE', key).ok
  if kind == 'stream' then
    found[#found + 1] = 's' .. key
  elseif kind == 'zset' and string.find(key, '^{.+}:.*delayed$') then
    found[#found + 1] = 'd' .. key
  end
end
return found
