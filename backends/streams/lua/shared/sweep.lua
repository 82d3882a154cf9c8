-- findDone(g): looks at some of the messages with ordering keys that are up: one that is not pending any more must not
-- hold its key up.
--
-- sweep(g): finds what has no lease: entries that a consumer of another kind took and never settled, what was given back
-- or waits where the lists of it are gone, and what was leased where the list of leases is gone; and what findDone finds.
-- include: hold
-- include: turns
-- include: runs
-- include: enter
local LOOKED_AT = 500

local function findHeld(g, s)
  local from, rows = '-', nil
  repeat
    rows = redis.pcall('XPENDING', s[1], group, from, '+', 1000, HOLD)
    if rows.err then return end
    for _, row in ipairs(rows) do
      local id, member = row[1], s[2] .. sortable(row[1])
      if not c('ZSCORE', g.again, member) and not c('ZSCORE', g.next, s[2] .. id) then
        local entry = c('XRANGE', s[1], id, id)[1]
        local lane, _, after = ordering(entry and entry[2] or {})
        local name = s[2] .. id
        local gated = lane and s[2] == 'r' and c('ZSCORE', g.lanes, gateOf(lane, id, after))
        if not gated and (not lane or enter(g, lane, name, memberOf(lane, s[2], id, after))) then
          c('ZADD', g.again, 0, member)
        end
      end
      from = '(' .. id
    end
  until #rows < 1000
end
local function findDone(g)
  spreadRun(g.turns)
  local many = c('HLEN', g.turns) > LOOKED_AT
  local found = many and c('HRANDFIELD', g.turns, LOOKED_AT, 'WITHVALUES') or c('HGETALL', g.turns)
  for i = 1, #found, 2 do
    for name in string.gmatch(found[i] == LOOK and '' or namesOf(found[i + 1]), '%S+') do
      local replayed = string.byte(name) == REPLAYED
      local id = replayed and string.sub(name, 2) or name
      if not redis.pcall('XPENDING', replayed and replay or stream, group, id, id, 1)[1] then leave(g, found[i], name) end
    end
  end
  advance(g)
end

local function sweep(g)
  local held = 0
  for _, s in ipairs(streams) do
    local consumers = redis.pcall('XINFO', 'CONSUMERS', s[1], group)
    for _, consumer in ipairs(consumers.err and {} or consumers) do
      local is = {}
      for i = 1, #consumer, 2 do is[consumer[i]] = consumer[i + 1] end
      local ours = string.sub(is.name, 1, #LEASE_PREFIX) == LEASE_PREFIX
      if is.name == HOLD then
        held = held + is.pending
      elseif is.name ~= mine and not c('ZSCORE', leases, is.name) then
        if is.pending > 0 and (ours or is.idle >= leaseMs) then
          c('ZADD', leases, int(now), is.name)
        elseif is.pending == 0 and ours and is.idle > FORGOTTEN_MS then
          c('XGROUP', 'DELCONSUMER', s[1], group, is.name)
        end
      end
    end
  end
  if held > c('ZCARD', again) + c('ZCARD', g.next) + c('ZCARD', g.lanes) then
    for _, s in ipairs(streams) do findHeld(g, s) end
  end
  findDone(g)
end
