-- What waits behind others of its ordering key among the entries that a group has not read.
--
-- blockedAfter(key, id, most): how many, the id of the last entry that was looked at, or nothing where there are no more,
-- and the lanes of messages that nothing holds up. In one script, a lane is named once.
-- mayBeOrdered(id): whether it is worth a look: the group has such messages in hand, or there are some at either end.
-- include: lanes
-- include: runs
local AT_EITHER_END = 20
local seen = {}
local inRun
local function isTaken(lane)
  if not inRun then
    local _, texts = runOf(turns)
    inRun = {}
    for _, lane in ipairs(texts and cjson.decode(texts) or {}) do inRun[lane] = true end
  end
  return inRun[lane] or c('HEXISTS', turns, lane) == 1
end
local function mayBeOrdered(id)
  if c('EXISTS', turns, lanes) > 0 then return true end
  for _, command in ipairs({ { 'XRANGE', stream, '(' .. id, '+' }, { 'XREVRANGE', stream, '+', '(' .. id } }) do
    local first, key, from, to = unpack(command)
    for _, entry in ipairs(c(first, key, from, to, 'COUNT', AT_EITHER_END)) do
      if ordering(entry[2]) then return true end
    end
  end
  return false
end
local function blockedAfter(key, id, most)
  local blocked, free, looked = 0, {}, 0
  repeat
    local some = c('XRANGE', key, '(' .. id, '+', 'COUNT', 200)
    for _, entry in ipairs(some) do
      local lane, over = ordering(entry[2])
      id = entry[1]
      if lane and not over then
        if seen[lane] or isTaken(lane) then blocked = blocked + 1 else free[#free + 1] = lane end
        seen[lane] = true
      end
    end
    looked = looked + #some
    if #some < 200 then return blocked, nil, free end
  until looked >= most
  return blocked, id, free
end
