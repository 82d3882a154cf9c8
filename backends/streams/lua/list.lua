-- Lists dead letters.
--
-- KEYS: dead
-- ARGV: from, count
-- Returns: entries
-- Traits: repeatable
return redis.call('XRANGE', dead, from, '+', 'COUNT', count)
