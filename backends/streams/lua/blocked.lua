-- Counts what waits behind others of its ordering key among the entries that a group has not read. Changes nothing.
--
-- KEYS: stream, lanes, turns
-- ARGV: group, after, most
--   after: the entry after which to look; most: entries to look at
-- Returns: how many; the last entry that was looked at, or nothing where there are no more; and the lanes of messages that
--   nothing holds up there
-- Traits: repeatable
-- include: blocked
local count, id, free = blockedAfter(stream, after, tonumber(most))
return { count, id or '', free }
