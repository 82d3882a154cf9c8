-- Publishes messages that have a body, and some of them an ordering key, and nothing else.
--
-- KEYS: stream, sent, delayed
-- ARGV: token, slot, channel, made, remember, keys, ...
--   as for plain messages; keys: an array of JSON, the ordering key of each message or an empty text; then the bodies
-- Returns: the ids of the entries as runs, as for plain messages. Or `?`: some were published again by their ids, or
--   delayed messages are due, which stand before what is sent now: to be sorted out message by message
-- Traits: publishes
-- include: time
-- include: plain
local before = earlier()
if before then return before end
if c('ZCOUNT', delayed, '-inf', int(now)) > 0 then return '?' end
local ids, args, texts = {}, ARGV, cjson.decode(keys)
for n = 1, #texts do
  local body, key = args[taken + n], texts[n]
  ids[n] = key == '' and c('XADD', stream, '*', 'data', body) or c('XADD', stream, '*', 'data', body, 'orderingKey', key)
end
return finish(ids)
