-- Makes leases longer. A lease that holds just the named entries is made longer. One that holds others too, which nobody
-- wants longer or knows of, keeps them and its end, and the named ones move to a new lease.
--
-- KEYS: stream, leases, replay
-- ARGV: group, ms, ...
--   then for each lease: its name, the name of a new lease, how many entries, and the entries
-- Returns: for each lease one text: `k` where it was kept, or `m` where its entries moved, then a `1` or a `0` for each entry
-- Traits: repeatable
-- include: time
-- include: owned
-- include: arguments
ms = tonumber(ms)
local held = {}
for _, key in ipairs({ stream, replay }) do
  local pending = redis.pcall('XPENDING', key, group)
  for _, consumer in ipairs(pending[4] or {}) do
    held[consumer[1]] = (held[consumer[1]] or 0) + tonumber(consumer[2])
  end
end
local answers = {}
while left() do
  local old, new, count = take(3)
  local members = { take(tonumber(count)) }
  under(old)
  local answer = 'k'
  if valid and held[lease] == #members then
    c('ZADD', leases, int(from(ms)), lease)
    answer = answer .. string.rep('1', #members)
  else
    answer = 'm'
    local moved = false
    for _, member in ipairs(members) do
      local key, id = split(member)
      local ours = owned(key, id)
      if ours then
        c('XCLAIM', key, group, new, 0, id, 'JUSTID')
        moved = true
      end
      answer = answer .. (ours and '1' or '0')
    end
    if moved then c('ZADD', leases, int(from(ms)), new) end
  end
  answers[#answers + 1] = answer
end
return answers
