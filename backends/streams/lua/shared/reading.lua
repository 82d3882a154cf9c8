-- read(key, tag): reads new entries, a few at first: how large they are is known once they are read. What is too much goes
-- back uncounted. What has to wait behind another of its ordering key is passed. cut: whether there may be more to pass.
--
-- A replayed message with an ordering key has its place behind what the stream held at that time: until the group has read
-- so far, it waits at a gate, a member of `lanes` of its own kind, `g`, place, lane. opened: whether one came up.
local returned, opened, cut, passed, passedBytes = false, false, false, 0, 0
-- Lanes that this call knows to have messages.
local known = {}
local function hold(key, ids)
  if #ids == 0 then return end
  local claim = { 'XCLAIM', key, group, HOLD, 0, unpack(ids) }
  for _, word in ipairs({ 'RETRYCOUNT', 0, 'JUSTID' }) do claim[#claim + 1] = word end
  c(unpack(claim))
end
local function isTaken(lane)
  local taken = known[lane] or ordered and isBusy(g, lane)
  known[lane] = true
  return taken
end
local function openGates(max)
  local found, up, fresh, members = c('ZRANGEBYLEX', lanes, '[g', max), {}, {}, {}
  each('ZREM', lanes, found)
  for i, gate in ipairs(found) do
    local _, behind = idAt(gate, 2)
    local id, last = idAt(gate, behind + 2)
    local lane = string.sub(gate, last + 1)
    local member = lane .. string.sub(gate, 2, last)
    inTurn[lane] = nil
    if not isTaken(lane) then
      up[#up + 1] = 'r' .. id
      up[#up + 1] = '|' .. member
      fresh[#fresh + 1] = int(now)
      fresh[#fresh + 1] = 'r' .. id
      opened = true
    end
    members[2 * i - 1], members[2 * i] = 0, member
  end
  each('ZADD', lanes, members)
  each('HSET', turns, up)
  each('ZADD', next, fresh)
end
local function firstGate()
  local gate = c('ZRANGEBYLEX', lanes, '[g', '(h', 'LIMIT', 0, 1)[1]
  if not gate then return end
  local _, last = idAt(gate, 2)
  return string.sub(gate, 2, last)
end

local function read(key, tag)
  local count = math.min(room, step)
  local gate = tag == '' and streams[2] and firstGate()
  while hasRoom() and passed < PASSED and passedBytes < bytes do
    local new = redis.pcall('XREADGROUP', 'GROUP', group, mine, 'COUNT', count, 'STREAMS', key, '>')
    if new and new.err then
      if key ~= stream then return end
      if not string.find(new.err, 'NOGROUP', 1, true) then return new end
      c('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
      c('DEL', settled, lanes, turns, next) -- whatever is kept, this group has not settled it, and has nothing in hand
      new = c('XREADGROUP', 'GROUP', group, mine, 'COUNT', count, 'STREAMS', key, '>')
    end
    local entries = new and new[1][2] or {}
    local held, up, members, before = {}, {}, {}, given
    for _, entry in ipairs(entries) do
      local id, lane, over, after = entry[1], detailsOf(entry[2])
      if over then
        drop(key, id)
      elseif not lane then
        if hasRoom() then
          give(key, tag, entry, 1)
        else
          giveBack(key, id, 0, 0)
          returned = true
        end
      elseif tag == 'r' then
        held[#held + 1] = id
        members[#members + 1] = 0
        members[#members + 1] = gateOf(lane, id, after)
      else
        if gate and gate < placeOf(id) then
          openGates('(g' .. placeOf(id))
          gate = firstGate()
        end
        local member, turn = memberOf(lane, tag, id), inTurn[lane]
        members[#members + 1] = 0
        members[#members + 1] = member
        local joins = turn and turn < together and hasRoom()
        if not joins and isTaken(lane) then
          inTurn[lane] = nil
          held[#held + 1] = id
          passedBytes = passedBytes + #entry[2][2]
        else
          up[#up + 1] = id
          if hasRoom() then
            up[#up + 1] = (together > 1 and '+' or '|') .. member
            if together > 1 then inTurn[lane] = (turn or 0) + 1 end
            give(key, tag, entry, 1, lane)
          else
            up[#up + 1] = '|' .. member
            giveBack(key, id, 0, 0)
            returned = true
          end
        end
      end
    end
    hold(key, held)
    each('ZADD', lanes, members)
    each('HSET', turns, up)
    passed = passed + #held
    if #entries < count then
      if gate then openGates('(h') end
      return
    end
    if given == before then
      count = math.max(count, math.min(PASSED_AT_ONCE, count * 2))
    else
      count = room
    end
    local seen, size = given + passed, math.max(1, spent + passedBytes)
    if seen > 0 then count = math.max(1, math.min(count, math.floor((bytes - spent) * seen / size))) end
  end
  cut = true
end
