-- Tells whether a publish would be taken. Adds nothing, and creates no key.
--
-- KEYS: stream, probe
-- ARGV: none
-- Returns: 1; an error where the server is a replica or full, or where this user may not use the keys
-- Traits: repeatable
local kind = redis.call('TYPE', stream).ok
if kind ~= 'none' and kind ~= 'stream' then
  return redis.error_reply('WRONGTYPE the key holds a ' .. kind .. ', not a stream')
end
-- A stream that does not exist is not made: what remains of the command are the server's own checks.
redis.call('XADD', probe, 'NOMKSTREAM', '*', 'p', '')
return 1
