-- Publishes messages that have a body and nothing else.
--
-- KEYS: stream, sent
-- ARGV: token, slot, channel, made, remember, ...
--   token: names the batch; slot: the field that remembers it; made: the ids that were made for its messages; remember:
--   milliseconds for which the publisher's batches are remembered from now on, or nothing; then the bodies
-- Returns: the ids of the entries as runs, `first*count first*count ...`: the ids of one millisecond are consecutive. Or
--   `?`: some were published again by their ids, to be sorted out message by message
-- Traits: publishes
-- include: plain
local before = earlier()
if before then return before end
local ids = {}
for n = 1, #ARGV - taken do ids[n] = call('XADD', stream, '*', 'data', ARGV[taken + n]) end
return finish(ids)
