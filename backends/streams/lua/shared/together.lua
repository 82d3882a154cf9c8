-- Messages of one ordering key that one call leases together. inTurn: how many it has of each lane that more may join.
-- join(lane, name, value): leases those that wait behind a message that was just given.
local inTurn = {}
local function join(lane, name, value)
  local free, head = string.match(value, '^(%d*)[|+](.*)$')
  local _, max = rangeOf(lane)
  local waiting = c('ZRANGEBYLEX', lanes, '(' .. head, max, 'LIMIT', 0, together - 1)
  local count, open = 1, #waiting < together - 1
  c('HSET', turns, name, free .. '+' .. head)
  for _, found in ipairs(waiting) do
    local _, tag, id, member, at = partsOf(found)
    local key = tag == 'r' and replay or stream
    id = plain(id)
    local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
    if not hasRoom() or at and tonumber(at) > now or held and held[2] ~= HOLD then
      open = false
      break
    end
    local entry = held and c('XCLAIM', key, group, mine, 0, id)[1]
    local fields = entry and entry[2]
    local over = fields and select(2, ordering(fields))
    if over then drop(key, id) elseif held and not fields then c('XACK', key, group, id) end
    if over or not fields or at then c('ZREM', lanes, found) end
    if fields and not over then
      if at then c('ZADD', lanes, 0, member) end
      c('HSET', turns, tag .. id, int(now) .. '+' .. member)
      give(key, tag, entry, held[4] + 1, lane, blockedFor(int(now) .. '+', id, held[4] + 1))
      count = count + 1
    end
  end
  inTurn[lane] = open and count or nil
end
