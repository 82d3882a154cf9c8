-- expire(most): removes messages whose time to live is over and which no consumer has in hand, for all groups, also
-- those whose consumers are gone; no more than `most` in one call.
-- include: hold
-- include: groups
-- include: remove
-- include: gone
local function expire(most)
  local over = c('ZRANGEBYSCORE', expiring, '-inf', int(now), 'LIMIT', 0, most)
  if #over == 0 then return end
  local groups = groupsOf(stream)
  local ordered = orderedGroups(groups)
  local helpers = string.sub(expiring, 1, -#'expiring' - 1) .. 'group:'
  -- Until when an entry is in hand; 0: it is not. The leases of other groups are keys that the script was not given:
  -- where the server refuses that, the careful answer.
  local function inHandUntil(group, consumer, idle)
    if consumer == HOLD then return 0 end
    if string.sub(consumer, 1, 6) ~= 'lease:' then return idle < 3600000 and now + 60000 or 0 end
    local ends = redis.pcall('ZSCORE', helpers .. group .. ':leases', consumer)
    if type(ends) == 'table' then return ends.err and now + 60000 or 0 end
    return ends and tonumber(ends) > now and tonumber(ends) or 0
  end
  local gone = {}
  for _, id in ipairs(over) do
    local holders, held = {}, 0
    for _, is in ipairs(groups) do
      local row = is.pending > 0 and c('XPENDING', stream, is.name, id, id, 1)[1]
      if row then
        holders[#holders + 1] = is.name
        held = math.max(held, inHandUntil(is.name, row[2], row[3]))
      end
    end
    if held > 0 then
      c('ZADD', expiring, int(held), id) -- to be inspected again
    else
      for _, name in ipairs(holders) do
        c('XACK', stream, name, id)
        redis.pcall('ZREM', helpers .. name .. ':again', sortable(id))
      end
      goneFrom(ordered, id)
      gone[#gone + 1] = id
    end
  end
  advanceAll(ordered)
  removeEntries(gone)
  if #gone > 0 and c('EXISTS', settled) == 1 then c('ZREM', settled, unpack(gone)) end
end
