-- Publishes messages that have a body and nothing else.
--
-- KEYS: stream, sent
-- ARGV: token, slot, channel, made, remember, ...
--   token: names the batch; slot: the field that remembers it; made: the ids that were made for its messages; remember:
--   milliseconds for which the publisher's batches are remembered from now on, or nothing; then the bodies
-- Returns: the ids of the entries as runs, `first*count first*count ...`: the ids of one millisecond are consecutive. Or
--   `?`: some were published again by their ids, to be sorted out message by message
-- Traits: publishes
-- include: remember
-- include: tell
local add = redis.call
local known = add('HMGET', sent, slot, REPEATED)
local before = answered(known[1], token)
if before then return before end
if known[2] then
  for id in string.gmatch(known[2], '%w+') do if isAmong(made, id) then return '?' end end
end
local last, answer = #ARGV - taken, nil
if last == 1 then
  answer = add('XADD', stream, '*', 'data', ARGV[taken + 1]) .. '*1'
else
  local ids, runs, i = {}, {}, 1
  for n = 1, last do ids[n] = add('XADD', stream, '*', 'data', ARGV[taken + n]) end
  while i <= last do
    local prefix = string.match(ids[i], '^%d+%-')
    local function within(j) return string.find(ids[j], prefix, 1, true) == 1 end
    local low, high = i, last -- the last of its millisecond is one of these
    if within(high) then low = high end
    while low < high do
      local middle = math.ceil((low + high) / 2)
      if within(middle) then low = middle else high = middle - 1 end
    end
    runs[#runs + 1] = ids[i] .. '*' .. low - i + 1
    i = low + 1
  end
  answer = table.concat(runs, ' ')
end
add('HSET', sent, slot, token .. '|' .. answer .. '|' .. made)
if remember ~= '' then add('PEXPIRE', sent, remember) end
tell(channel)
return answer
