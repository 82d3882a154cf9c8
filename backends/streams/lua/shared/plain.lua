-- Batches of messages whose ids nobody chose.
--
-- earlier(): what to return instead of adding them: the answer to this batch, if it was here before, or `?` where some of
-- its messages were published again by their ids, to be sorted out message by message. finish(ids): remembers the
-- batch, tells, and returns the ids as runs, `first*count first*count ...`: the ids of one millisecond are consecutive.
-- include: remember
-- include: tell
local call = redis.call
local function earlier()
  local known = call('HMGET', sent, slot, REPEATED)
  local before = answered(known[1], token)
  if before then return before end
  for id in string.gmatch(known[2] or '', '%w+') do if isAmong(made, id) then return '?' end end
end
local function runsOf(ids)
  local runs, i, last = {}, 1, #ids
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
  return table.concat(runs, ' ')
end
local function finish(ids)
  local answer = #ids == 1 and ids[1] .. '*1' or runsOf(ids)
  call('HSET', sent, slot, token .. '|' .. answer .. '|' .. made)
  if remember ~= '' then call('PEXPIRE', sent, remember) end
  tell(channel)
  return answer
end
