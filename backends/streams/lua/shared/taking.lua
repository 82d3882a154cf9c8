-- takeAgain(most): leases what was given back and is due; returns whether there may be more. takeNext(): leases what has
-- come up behind a message that was done, and what comes up where that is gone.
local strangers
local function strange()
  if strangers == nil then
    strangers = false
    local pending = redis.pcall('XPENDING', stream, group)
    for _, consumer in ipairs(pending[4] or {}) do
      if consumer[1] ~= HOLD and string.sub(consumer[1], 1, 6) ~= LEASE_PREFIX then strangers = true end
    end
  end
  return strangers
end
local function takeHeld(name, free)
  local key, tag, id = stream, '', name
  if string.sub(name, 1, 1) == 'r' then key, tag, id = replay, 'r', string.sub(name, 2) end
  local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
  if held and held[2] == HOLD then
    claim(key, tag, id, held[4] + 1, free)
  elseif ordered then
    -- A consumer of another kind has it, or has settled it.
    local entry = c('XRANGE', key, id, id)[1]
    local lane = entry and ordering(entry[2])
    if lane then leave(g, lane, name) elseif not entry then lost = true end
  end
end
local function takeAgain(most)
  if not hasRoom() or most == 0 then return false end
  local members = c('ZRANGEBYSCORE', again, '-inf', int(now), 'LIMIT', 0, most)
  for _, member in ipairs(members) do
    if not hasRoom() then break end
    c('ZREM', again, member)
    takeHeld(string.sub(member, 1, 1) == 'r' and 'r' .. plain(string.sub(member, 2)) or plain(member))
  end
  goOn()
  return #members == most
end

-- Leases entries of the stream that were never delivered: of all in one command, since nobody else can have them.
local function takeFresh(ids, free)
  local claimed, found = { 'XCLAIM', stream, group, mine, 0, unpack(ids) }, {}
  claimed[#claimed + 1] = 'RETRYCOUNT'
  claimed[#claimed + 1] = 1
  local entries = c(unpack(claimed))
  for i = 1, #entries do
    local id, fields = entries[i] and entries[i][1], entries[i] and entries[i][2]
    local lane, over
    if fields then
      lane, over = detailsOf(fields)
      found[id] = true
    end
    if over then
      drop(stream, id)
      leave(g, lane, id)
    elseif fields and hasRoom() then
      give(stream, '', entries[i], 1, lane, blockedFor(free[id], id, 1))
      if together > 1 then join(lane, id, memberOf(lane, '', id), free[id]) end
    elseif fields then
      c('XCLAIM', stream, group, HOLD, 0, id, 'RETRYCOUNT', 0, 'JUSTID')
      c('ZADD', next, int(free[id]), id)
    end
  end
  if #entries == #ids then return end
  for _, id in ipairs(ids) do
    if not found[id] then
      c('XACK', stream, group, id) -- somebody trimmed the entry away
      lost = true
    end
  end
end
local function takeNext()
  local count = math.min(room, step)
  while ordered and hasRoom() do
    local popped = c('ZPOPMIN', next, count)
    if #popped == 0 then return end
    local ids, free, some = {}, {}, {}
    for i = 1, #popped, 2 do
      local name = popped[i]
      free[name] = tonumber(popped[i + 1])
      if string.sub(name, 1, 1) == 'r' or strange() then some[#some + 1] = name else ids[#ids + 1] = name end
    end
    if #ids > 0 then takeFresh(ids, free) end
    for _, name in ipairs(some) do
      if hasRoom() then takeHeld(name, free[name]) else c('ZADD', next, int(free[name]), name) end
    end
    goOn()
    count = given == 0 and room or math.max(1, math.min(room, math.floor((bytes - spent) * given / math.max(1, spent))))
  end
end
