-- Removes dead letters.
--
-- KEYS: dead
-- ARGV: group, channel, limit, ...
--   then ids (none: the oldest)
-- Returns: how many were removed
local c = redis.call
-- include: chosen
local count = 0
for _, id in ipairs(ids) do count = count + c('XDEL', dead, id) end
forget(dead)
return count
