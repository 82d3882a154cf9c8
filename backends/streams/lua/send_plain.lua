-- Publishes messages that have a body and nothing else.
--
-- One message alone is added before it is known whether it should be, and taken back where it should not have been: that
-- is rare, nobody has seen it, and it saves each of the others a command.
--
-- KEYS: stream, slot
-- ARGV: token, channel, ...
--   then the bodies
-- Returns: the ids of the entries as runs, `first*count first*count ...`: the ids of one millisecond are consecutive
-- Traits: publishes
-- include: remember
-- include: tell
local add = redis.call
local answer
if #ARGV - taken > 1 then
  local before = answered(add('GET', slot), token)
  if before then return before end
  local ids, last = {}, #ARGV - taken
  for i = 1, last do ids[i] = add('XADD', stream, '*', 'data', ARGV[taken + i]) end
  local runs, i = {}, 1
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
  remember(slot, token, answer)
else
  local id = add('XADD', stream, '*', 'data', ARGV[taken + 1])
  answer = id .. '*1'
  local before = answered(remember(slot, token, answer), token)
  if before then
    add('XDEL', stream, id)
    return remember(slot, token, before) and before
  end
end
tell(channel)
return answer
