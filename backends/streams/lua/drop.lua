-- Removes a queue with everything that belongs to it.
--
-- KEYS: stream, ...
--   then every other key of the queue
-- ARGV: none
-- Returns: how many there were
-- Traits: repeatable
return redis.call('DEL', unpack(KEYS))
