-- What leaves the stream without being settled, and may have an ordering key. It frees the key in every group that has
-- read it and does not hold it under a lease. The helper keys of other groups are keys that the script was not given:
-- where the server refuses those, the group finds out when it comes to the message.
--
-- orderedGroups(groups): those that have messages with ordering keys in hand. goneFrom(ordered, id): takes an entry that
-- is to leave out of them. advanceAll(ordered).
-- include: hold
-- include: lanes
local function orderedGroups(groups)
  local found = {}
  for _, is in ipairs(groups) do
    local prefix = string.sub(expiring, 1, -#'expiring' - 1) .. 'group:' .. is.name .. ':'
    if is.pending > 0 and redis.pcall('EXISTS', prefix .. 'turns') == 1 then
      found[#found + 1] = groupOf(is.name, prefix .. 'lanes', prefix .. 'turns', prefix .. 'again', prefix .. 'next')
    end
  end
  return found
end
local function goneFrom(ordered, id)
  local entry = #ordered > 0 and c('XRANGE', stream, id, id)[1]
  local lane = entry and ordering(entry[2])
  if not lane then return end
  local member = memberOf(lane, '', id)
  for _, g in ipairs(ordered) do
    local row = c('XPENDING', stream, g.name, id, id, 1)[1]
    if not row or row[2] == HOLD then
      local value = c('HGET', g.turns, lane)
      if value and isNamed(value, id) then
        leave(g, lane, id)
      else
        each('ZREM', g.lanes, c('ZRANGEBYLEX', g.lanes, '[' .. member, '(' .. member .. 'A', 'LIMIT', 0, 1))
      end
      if row then c('XACK', stream, g.name, id) end
      c('ZREM', g.again, sortable(id))
      c('ZREM', g.next, id)
    end
  end
end
local function advanceAll(ordered)
  for _, g in ipairs(ordered) do advance(g) end
end
