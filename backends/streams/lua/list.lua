-- Lists dead letters, the oldest first.
--
-- KEYS: dead
-- ARGV: first, count, bytes
--   first: the id to start at; count, bytes: the most
-- Returns: entries, and behind them `1` where there are more
-- Traits: repeatable
-- include: page
local found, step = {}, 1
count = tonumber(count)
while true do
  step = math.min(step, count + 1 - #found)
  local some = redis.call('XRANGE', dead, first, '+', 'COUNT', step)
  for _, entry in ipairs(some) do
    if #found == count or not fits(entry) then
      found[#found + 1] = '1'
      return found
    end
    found[#found + 1] = entry
    first = '(' .. entry[1]
  end
  if #some < step then return found end
  step = math.max(1, math.floor((tonumber(bytes) - spent) * shown / math.max(1, spent)))
end
