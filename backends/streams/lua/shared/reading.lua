-- read(key, tag): reads new entries, a few at first: how large they are is known once they are read. What is too much goes
-- back uncounted. What has to wait behind another of its ordering key is passed. cut: whether there may be more to pass.
--
-- A replayed message with an ordering key has its place behind what the stream held at that time: until the group has read
-- so far, it waits at a gate, a member of `lanes` of its own kind, `g`, place, lane. opened: whether one came up. behind:
-- whether what was given took all the room, and the next message waits behind another.
local behind = false
local returned, opened, cut, passed, passedBytes, pause = false, false, false, 0, 0, nil
-- Entries that are read at once while it is not known whether more can be given, and where the first are likely to wait.
local FEW, FEWEST = 32, 2
-- Lanes that are enough, and milliseconds until the group looks ahead in spite of them.
local ENOUGH, LOOK_MS = 16, 100
-- The most lanes of which a call asks for all, rather than for those that it meets.
local ALL = 64
-- What `turns` says of lanes, as far as this call knows: false for one without messages; and what has changed: a lane and
-- its value by turns, of which the last counts.
local known, knowsAll, lanesAtFirst, changed, changes = {}, nil, 0, {}, 0
local function setTurn(lane, value)
  known[lane] = value
  changed[changes + 1], changed[changes + 2] = lane, value
  changes = changes + 2
end
local function learn(wanted)
  if knowsAll == nil then
    knowsAll = lanesAtFirst <= ALL
    local all = knowsAll and lanesAtFirst > 0 and c('HGETALL', turns) or {}
    for i = 1, #all, 2 do known[all[i]] = all[i + 1] end
  end
  if knowsAll then return end
  for from = 1, #wanted, PART do
    local values = c('HMGET', turns, unpack(wanted, from, math.min(from + PART - 1, #wanted)))
    for i = 1, #values do known[wanted[from + i - 1]] = values[i] end
  end
end
-- A small hash is a list to the server, which it goes through from the front, until it has held a long name: no lane has
-- this one.
local MANY, LONG = 32, string.rep('.', 100)
local isTable = false
local function saveTurns()
  if changes > MANY and not isTable then
    isTable = true
    c('HSET', turns, LONG, '')
    each('HSET', turns, changed)
    c('HDEL', turns, LONG)
  else
    each('HSET', turns, changed)
  end
  changed, changes = {}, 0
end
local function hold(key, ids)
  if #ids == 0 then return end
  local claim = { 'XCLAIM', key, group, HOLD, 0, unpack(ids) }
  for _, word in ipairs({ 'RETRYCOUNT', 0, 'JUSTID' }) do claim[#claim + 1] = word end
  c(unpack(claim))
end
local function openGates(max)
  local found, fresh, members = c('ZRANGEBYLEX', lanes, '[g', max), {}, {}
  each('ZREM', lanes, found)
  for _, gate in ipairs(found) do
    local _, behind = idAt(gate, 2)
    local id, last = idAt(gate, behind + 2)
    local lane = string.sub(gate, last + 1)
    if known[lane] == nil then learn({ lane }) end
    inTurn[lane] = nil
    if known[lane] then
      setTurn(lane, waiting(known[lane]))
      members[#members + 1] = 0
      members[#members + 1] = prefixOf(lane) .. string.sub(gate, 2, last)
    else
      setTurn(lane, 'r' .. id)
      fresh[#fresh + 1] = int(now)
      fresh[#fresh + 1] = 'r' .. id
      opened = true
    end
  end
  each('ZADD', lanes, members)
  each('ZADD', next, fresh)
end
local function firstGate()
  local gate = c('ZRANGEBYLEX', lanes, '[g', '(h', 'LIMIT', 0, 1)[1]
  if not gate then return end
  local _, last = idAt(gate, 2)
  return string.sub(gate, 2, last)
end

-- Whether the caller is to wait before the group looks further: nothing was given, and what was read waits. One look of a
-- call goes as far as it may.
local looks = false
local function putOff()
  if looks or patient == '0' then return false end
  local since = tonumber(c('HGET', turns, LOOK) or nil)
  local left = LOOK_MS - math.max(0, now - (since or now))
  looks = left <= 0
  if looks or not since then c('HSET', turns, LOOK, int(now)) end
  pause = not looks and left or nil
  return not looks
end

-- Gives entries that have an ordering key and nothing else and whose lanes are known to be idle, the most frequent case by
-- far, from one on, without further calls. Returns the place of the first that is another.
local function giveRun(entries, i)
  local known, changed, last, bytes, count = known, changed, changes, bytes, #entries
  local items, ids, keys, at, left, size = nil, nil, nil, 0, room, spent
  while i <= count and left > 0 and size < bytes do
    local id, fields = entries[i][1], entries[i][2]
    local lane = fields[4]
    if #fields ~= 4 or fields[3] ~= 'orderingKey' or fields[1] ~= 'data' or lane == '' or #lane > LONGEST then break end
    if known[lane] then break end
    if not items then
      beginRun()
      items, ids, keys, at = run, runIds, runKeys, runs
    end
    local body = fields[2]
    known[lane] = id
    changed[last + 1], changed[last + 2] = lane, id
    at = at + 1
    items[at + 3], ids[at], keys[at] = body, id, lane
    last, left, size, i = last + 2, left - 1, size + #body, i + 1
  end
  if items then given, room, spent, changes, runs = given + room - left, left, size, last, at end
  return i
end

local function read(key, tag)
  if ordered then lanesAtFirst = c('HLEN', turns) end
  local count = math.min(room, step, tag == '' and lanesAtFirst >= ENOUGH and FEWEST or FEW)
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
    local held, members, before = {}, {}, given
    local simple = together == 1 and tag == '' and not gate
    local i = 1
    if ordered and knowsAll == nil and #entries > 0 then learn({}) end
    if simple and (knowsAll or not ordered) then i = giveRun(entries, i) end
    local lanesOf, details, wanted, unknown = {}, {}, {}, i - 1
    local known = known
    for i = i, #entries do
      local fields, lane, over, after = entries[i][2], nil, nil, nil
      local count = #fields
      if count == 4 and fields[3] == 'orderingKey' and fields[1] == 'data' and fields[4] ~= '' and #fields[4] <= LONGEST then
        lane = fields[4]
      elseif count > 2 then
        lane, over, after = detailsOf(fields)
        if lane or over then details[i] = { over, after } end
      end
      lanesOf[i] = lane or false
      if lane and known[lane] == nil then
        known[lane] = false
        unknown = unknown + 1
        wanted[#wanted + 1] = lane
      end
    end
    if ordered and #wanted > 0 then learn(wanted) end
    while i <= #entries do
      local entry, lane, over, after = entries[i], lanesOf[i], nil, nil
      local id = entry[1]
      if details[i] then over, after = unpack(details[i], 1, 2) end
      if simple and lane and not known[lane] and not details[i] and room > 0 and spent < bytes then
        i = giveRun(entries, i) - 1 -- the last of them
      elseif over then
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
        local value, turn = known[lane], together > 1 and inTurn[lane]
        local joins = turn and turn < together and hasRoom()
        if value and not joins then
          inTurn[lane] = nil
          held[#held + 1] = id
          members[#members + 1] = 0
          members[#members + 1] = memberOf(lane, tag, id)
          if string.byte(value, 2) ~= WAITING then setTurn(lane, waiting(value)) end
          passedBytes = passedBytes + #entry[2][2]
        else
          setTurn(lane, value and value .. ' ' .. id or together > 1 and '+.' .. id or id)
          local fields = entry[2]
          if room > 0 and spent < bytes then
            if together > 1 then inTurn[lane] = (turn or 0) + 1 end
            if fields[4] == lane and #fields == 4 and fields[1] == 'data' then
              giveOrdered(id, fields[2], fields[4])
            else
              give(key, tag, entry, 1, lane)
            end
          else
            giveBack(key, id, 0, 0)
            returned = true
          end
        end
      end
      i = i + 1
    end
    hold(key, held)
    each('ZADD', lanes, members)
    saveTurns()
    passed = passed + #held
    if #entries < count then
      if gate then openGates('(h') end
      saveTurns()
      return
    end
    if #held > 0 and c('HLEN', turns) >= ENOUGH and (given > 0 or putOff()) then break end
    if given == before then
      count = math.max(count, math.min(PASSED_AT_ONCE, count * 2))
    elseif unknown > 0 then
      count = math.min(room, 2 * FEW)
    else
      count = room
    end
    if room == 0 and patient ~= '0' and detailsOf(entries[#entries][2]) and c('HLEN', turns) >= ENOUGH then
      local after = c('XRANGE', key, '(' .. entries[#entries][1], '+', 'COUNT', 1)[1]
      local lane = after and detailsOf(after[2])
      behind = lane and known[lane] and true or false
    end
    local seen, size = given + passed, math.max(1, spent + passedBytes)
    if seen > 0 then count = math.max(1, math.min(count, math.floor((bytes - spent) * seen / size))) end
  end
  cut = true
end
