-- Makes leases longer. A lease that holds just the named entries is made longer. One that holds others too, which nobody
-- wants longer or knows of, keeps them and its end, and the named ones move to another lease. That one is named by the
-- caller, who names it again where the answer was lost: a repetition finds what the first run did.
--
-- The entries' idle time starts anew, so that no consumer of another kind takes what is in hand.
--
-- KEYS: stream, leases, replay
-- ARGV: group, ms, ...
--   then for each lease: its name, the name of the other lease, how many entries, and the entries
-- Returns: for each lease one text: `k` where it was kept, or `m` where its entries are the other's now, then a `1` or a
--   `0` for each entry
-- Traits: repeatable
-- include: time
-- include: owned
-- include: lasting
-- include: arguments
ms = tonumber(ms)

-- The entries that a consumer has, of both streams, and how many they are: up to a count of each.
local function entriesOf(consumer, count)
  local found, total = {}, 0
  for _, s in ipairs({ { stream, '' }, { replay, 'r' } }) do
    local rows = redis.pcall('XPENDING', s[1], group, '-', '+', count, consumer)
    for _, row in ipairs(rows.err and {} or rows) do
      found[s[2] .. row[1]] = true
      total = total + 1
    end
  end
  return found, total
end
local function claim(name, member)
  local key, id = place(member)
  c('XCLAIM', key, group, name, 0, id, 'JUSTID')
end

local answers = {}
while left() do
  local old, other, count = take(3)
  local members = { take(tonumber(count)) }
  under(old, other)
  local mine, total = entriesOf(old, #members + 1)
  local alone, any = valid and total == #members, false
  for _, member in ipairs(members) do alone = alone and mine[member] end
  local answer = { alone and 'k' or 'm' }
  for i, member in ipairs(members) do
    local ours = alone or owned(place(member))
    if ours then
      claim(alone and old or other, member)
      any = true
    end
    answer[i + 1] = ours and '1' or '0'
  end
  if any then c('ZADD', leases, int(from(ms)), alone and old or other) end
  answers[#answers + 1] = table.concat(answer)
end
keepLeases(ms)
return answers
