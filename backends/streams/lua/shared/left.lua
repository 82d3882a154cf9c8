-- Messages that are done, many at once.
--
-- leaveAll(g, texts, names, alone): notes that they are done, by their ordering keys; alone: it is certain that each was the
-- only one of its lane that was up. leaveRun(g, names): the same of a whole run; returns false, and does nothing, where the
-- run was spread since.
-- include: lanes
-- include: runs
-- So few members of `lanes` are read rather than the values of all lanes that are left.
local FEW_WAITING = 64
-- The lanes in which messages wait, where those are few; and whether there are none.
local function waitingLanes(g)
  local count = c('ZCARD', g.lanes)
  if count > FEW_WAITING then return end
  local found = {}
  for _, member in ipairs(count > 0 and c('ZRANGE', g.lanes, 0, -1) or {}) do
    found[string.sub(member, 2, 1 + string.byte(member))] = true
  end
  return found, count == 0
end
local function leaveAll(g, texts, names, alone)
  local lanes, idle, n = texts, g.idle, #g.idle
  for i = 1, #lanes do
    if #lanes[i] > LONGEST then lanes[i] = laneOf(lanes[i]) end
  end
  local wait, none = nil, false
  if alone and #lanes > 1 then wait, none = waitingLanes(g) end
  if none and n == 0 then
    g.idle = lanes
  elseif wait then
    for i = 1, #lanes do
      local lane = lanes[i]
      if wait[lane] then
        leave(g, lane, names[i])
      else
        n = n + 1
        idle[n] = lane
      end
    end
  else
    for from = 1, #lanes, PART do
      local values = c('HMGET', g.turns, unpack(lanes, from, math.min(from + PART - 1, #lanes)))
      for i = 1, #values do
        local lane, name = lanes[from + i - 1], names[from + i - 1]
        -- Where nobody waits, the value is the name.
        if values[i] == name then
          n = n + 1
          idle[n] = lane
        elseif values[i] then
          leave(g, lane, name)
        end
      end
    end
  end
end
local function leaveRun(g, names)
  if c('HGET', g.turns, RUN_NAMES) ~= names then return false end
  g.left = true
  if c('HLEN', g.turns) > FEW_WAITING then
    local _, texts = runOf(g.turns)
    local lanes, all, nameAt = cjson.decode(texts), {}, namer(names)
    for place = 1, #lanes do all[place] = nameAt(place) end
    dropRun(g.turns)
    leaveAll(g, lanes, all, true)
    return true
  end
  dropRun(g.turns)
  local fields = c('HGETALL', g.turns)
  for i = 1, #fields, 2 do
    for name in string.gmatch(fields[i] == LOOK and '' or namesOf(fields[i + 1]), '%S+') do
      if isInRun(names, name) then leave(g, fields[i], name) end
    end
  end
  return true
end
