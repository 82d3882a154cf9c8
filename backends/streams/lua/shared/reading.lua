-- read(key, tag): reads new entries, a few at first: how large they are is known once they are read. What is too much goes
-- back uncounted. What has to wait behind another of its ordering key is passed. cut: whether there may be more to pass.
--
-- A replayed message with an ordering key has its place behind what the stream held at that time: until the group has read
-- so far, it waits at a gate, a member of `lanes` of its own kind, `g`, place, lane. opened: whether one came up. behind:
-- whether what was given took all the room and the next message waits behind another, or nothing was read since a run is
-- in hand.
local behind = false
local returned, opened, cut, passed, passedBytes, pause = false, false, false, 0, 0, nil
-- Entries that are read at once while it is not known whether more can be given, and where the first are likely to wait.
local FEW, FEWEST = 32, 2
-- Lanes that are enough, and milliseconds until the group looks ahead in spite of them.
local ENOUGH, LOOK_MS = 16, 100
-- The most lanes of which a call asks for all, rather than for those that it meets.
local ALL = 64
-- How many fields `turns` had at first, and whether all of them are known. runNames, runLanes: the run that was there; false
-- where there was none.
local fieldsAtFirst, allFields, knowsAll, runNames, runLanes = 0, false, nil, nil, nil
local function learnFields(wanted)
  for from = 1, #wanted, PART do
    local values = c('HMGET', turns, unpack(wanted, from, math.min(from + PART - 1, #wanted)))
    for i = 1, #values do known[wanted[from + i - 1]] = values[i] end
  end
end
local function learnFromRun(wanted)
  local unknown, nameAt = {}, namer(runNames)
  for _, lane in ipairs(wanted) do unknown[lane] = not known[lane] or nil end
  for place, lane in ipairs(runLanes) do
    if unknown[lane] then known[lane] = nameAt(place) end
  end
end
local function learn(wanted)
  if knowsAll == nil then
    allFields = fieldsAtFirst <= ALL
    local fields = allFields and fieldsAtFirst > 0 and c('HGETALL', turns) or {}
    for i = 1, #fields, 2 do known[fields[i]] = fields[i + 1] end
    if not allFields then learnFields({ RUN_NAMES, RUN_LANES }) end
    runNames = known[RUN_NAMES]
    runLanes = runNames and cjson.decode(known[RUN_LANES])
    knowsAll = allFields and not runNames
  end
  if knowsAll then return end
  if not allFields then learnFields(wanted) end
  if runNames then learnFromRun(wanted) end
end
-- Whether the group has lanes enough in hand: a run has more.
local function hasEnough() return runs >= ENOUGH or c('HLEN', turns) >= ENOUGH or hasRun(turns) end
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

-- Whether entries follow one another in one millisecond: no other id fits between theirs. Of numbers that Lua holds.
local function areNext(entries, from, to)
  local first, last = entries[from][1], entries[to][1]
  local dash = string.find(first, '-', 1, true)
  if #last - dash > 15 or string.sub(first, 1, dash) ~= string.sub(last, 1, dash) then return false end
  return string.sub(last, dash + 1) - string.sub(first, dash + 1) == to - from
end
-- Adds the names of entries: as one word, or as two where a millisecond ends between them; else one by one.
local function addNames(words, entries, from, to)
  local middle = to
  if not areNext(entries, from, to) then
    local low, high = from, to - 1
    while low < high do
      local half = math.ceil((low + high) / 2)
      if areNext(entries, from, half) then low = half else high = half - 1 end
    end
    middle = low
  end
  local function add(first, count)
    words[#words + 1] = entries[first][1] .. (count > 1 and '*' .. count or '')
  end
  if middle == to or areNext(entries, middle + 1, to) then
    add(from, middle - from + 1)
    if middle < to then add(middle + 1, to - middle) end
  else
    for i = from, to do add(i, 1) end
  end
end

-- Gives entries that have an ordering key and nothing else and whose lanes are known to be idle, the most frequent case by
-- far, from one on, without further calls. Returns the place of the first that is another.
local function giveRun(entries, i)
  local known, bytes, count, from = known, bytes, #entries, i
  local items, keys, at, left, size = nil, nil, 0, room, spent
  while i <= count and left > 0 and size < bytes do
    local id, fields = entries[i][1], entries[i][2]
    local lane = fields[4]
    if #fields ~= 4 or fields[3] ~= 'orderingKey' or fields[1] ~= 'data' or lane == '' or #lane > LONGEST then break end
    if known[lane] then break end
    if not items then
      beginRun(true)
      items, keys, at = run, runKeys, runs
    end
    local body = fields[2]
    known[lane] = id
    at = at + 1
    items[at + 3], keys[at] = body, lane
    left, size, i = left - 1, size + #body, i + 1
  end
  if items then
    given, room, spent, runs = given + room - left, left, size, at
    addNames(runIds, entries, from, i - 1)
  end
  return i
end

local function read(key, tag)
  if ordered then fieldsAtFirst = c('HLEN', turns) end
  local enough = tag == '' and ordered and (fieldsAtFirst >= ENOUGH or hasRun(turns))
  local count = math.min(room, step, enough and FEWEST or FEW)
  local gate = tag == '' and streams[2] and firstGate()
  -- A fast consumer will soon acknowledge the run, and most of what comes next waits behind it.
  if asRun == '1' and enough and given > 0 and patient ~= '0' and hasRun(turns) and putOff() then
    behind = true
    return
  end
  while hasRoom() and passed < PASSED and passedBytes < bytes do
    local new = redis.pcall('XREADGROUP', 'GROUP', group, mine, 'COUNT', count, 'STREAMS', key, '>')
    if new and new.err then
      if key ~= stream then return end
      if not string.find(new.err, 'NOGROUP', 1, true) then return new end
      c('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
      c('DEL', settled, lanes, turns, next) -- whatever is kept, this group has not settled it, and has nothing in hand
      fieldsAtFirst = 0
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
    if #held > 0 and hasEnough() and (given > 0 or putOff()) then break end
    if given == before then
      count = math.max(count, math.min(PASSED_AT_ONCE, count * 2))
    elseif unknown > 0 then
      count = math.min(room, 2 * FEW)
    else
      count = room
    end
    if room == 0 and patient ~= '0' and detailsOf(entries[#entries][2]) and hasEnough() then
      local after = c('XRANGE', key, '(' .. entries[#entries][1], '+', 'COUNT', 1)[1]
      local lane = after and detailsOf(after[2])
      behind = lane and known[lane] and true or false
    end
    local seen, size = given + passed, math.max(1, spent + passedBytes)
    if seen > 0 then count = math.max(1, math.min(count, math.floor((bytes - spent) * seen / size))) end
  end
  cut = true
end
