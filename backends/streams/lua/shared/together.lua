-- Messages of one ordering key that one call leases together. inTurn: how many it has of each lane that more may join.
-- join(lane, name, head, free): leases those that wait behind a message that was just given: its place in its lane, and the
-- time at which the one before it was done, where there was one.
local inTurn = {}
local function join(lane, name, head, free)
  local value = c('HGET', turns, lane)
  local names, waits = { namesOf(value) }, string.byte(value, 2) == WAITING
  local _, max = rangeOf(lane)
  local found = waits and c('ZRANGEBYLEX', lanes, '(' .. head, max, 'LIMIT', 0, together - 1) or {}
  local count, open = 1, #found < together - 1
  for _, member in ipairs(found) do
    local id, at = partsOf(member, lane)
    local key, tag = stream, ''
    if string.byte(id, 1) == REPLAYED then key, tag, id = replay, 'r', string.sub(id, 2) end
    local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
    if not hasRoom() or at and tonumber(at) > now or held and held[2] ~= HOLD then
      open = false
      break
    end
    local entry = held and c('XCLAIM', key, group, mine, 0, id)[1]
    local fields = entry and entry[2]
    local over = fields and select(2, ordering(fields))
    if over then drop(key, id) elseif held and not fields then c('XACK', key, group, id) end
    c('ZREM', lanes, member)
    if fields and not over then
      names[#names + 1] = tag .. id
      give(key, tag, entry, held[4] + 1, lane, blockedFor(free or now, id, held[4] + 1))
      count = count + 1
    end
  end
  c('HSET', turns, lane, '+' .. (waits and not open and '>' or '.') .. table.concat(names, ' '))
  inTurn[lane] = open and count or nil
end
