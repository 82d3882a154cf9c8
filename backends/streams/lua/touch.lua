-- Writes something that replicas get and that leaves nothing behind, so that a WAIT has a write to wait for.
--
-- KEYS: probe
-- ARGV: none
-- Returns: 1
-- Traits: repeatable
redis.call('SET', probe, '')
return redis.call('DEL', probe)
