-- Counts a part of the entries between two ids. Changes nothing.
--
-- KEYS: stream
-- ARGV: first, last, most
-- Returns: how many, the last one that was counted or nothing, and how many the stream has in all
-- Traits: repeatable
-- include: span
local n, id = span(stream, first, last, tonumber(most))
return { n, id or '', redis.call('XLEN', stream) }
