-- Counts messages by where they are. Changes nothing.
--
-- The server's own count of what a group has not read is wrong after a rewrite of the append-only file, a failover, or a
-- removal: it is counted here, on whichever side of the group's place fewer stand, as far as one call goes.
--
-- KEYS: stream, delayed, expiring, leases, again, replay, dead, lanes, turns, next
-- ARGV: group, most
--   most: entries on each side that are counted
-- Returns: ready, in flight, delayed, dead, blocked; where more are to be looked at for such as are blocked, the last entry
--   that was, else nothing; the lanes of messages that nothing holds up; and where more stand on both sides, the id of the
--   last entry that the group was given, its entries that are pending, and what the server says is unread (-1: nothing):
--   ready is without the unread
-- Traits: repeatable
-- include: time
-- include: hold
-- include: ids
-- include: span
-- include: blocked
most = tonumber(most)

local function known(key)
  local groups = redis.pcall('XINFO', 'GROUPS', key)
  for _, fields in ipairs(groups.err and {} or groups) do
    local is = {}
    for i = 1, #fields, 2 do is[fields[i]] = fields[i + 1] end
    if is.name == group then return is end
  end
end
local ready, flying, open = 0, 0, nil
local blocked, further, free = 0, nil, {}
local function addUnread(key, is)
  if key == replay then -- of this group alone: what it has settled is not there any more
    ready = ready + c('XLEN', key) - is.pending
    return
  end
  local last = is['last-delivered-id']
  local read = span(key, '-', last, most)
  if read <= most then
    ready = ready + c('XLEN', key) - read
    return
  end
  local unread = span(key, '(' .. last, '+', most)
  if unread <= most then
    ready = ready + unread
  else
    open = { last, is.pending, is.lag or -1 }
  end
end
for _, key in ipairs({ stream, replay }) do
  local is = known(key)
  if not is then
    if key == stream then ready = ready + c('XLEN', stream) end
  else
    addUnread(key, is)
    for _, fields in ipairs(c('XINFO', 'CONSUMERS', key, group)) do
      local name, pending = fields[2], fields[4]
      if name ~= HOLD and pending > 0 then
        local ends = c('ZSCORE', leases, name)
        local ended = ends and tonumber(ends) <= now or not ends and string.sub(name, 1, 6) == 'lease:'
        if ended then ready = ready + pending else flying = flying + pending end
      end
    end
  end
  local last = is and is['last-delivered-id'] or '0-0'
  if key == stream and mayBeOrdered(last) then
    blocked, further, free = blockedAfter(stream, last, most)
  elseif key == replay and is and c('EXISTS', turns, lanes) > 0 then
    blocked = blocked + blockedAfter(replay, last, most)
  end
  if key == stream then
    -- What has expired and is still there is no message any more. It goes with the next publish or receive.
    local place = sortable(last)
    for _, id in ipairs(c('ZRANGEBYSCORE', expiring, '-inf', int(now), 'LIMIT', 0, most)) do
      if sortable(id) > place and c('XRANGE', stream, id, id)[1] then ready = ready - 1 end
    end
    ready = ready - math.max(0, c('ZCOUNT', expiring, '-inf', int(now)) - most)
  end
end
ready = ready + c('ZCOUNT', delayed, '-inf', int(now)) + c('ZCOUNT', again, '-inf', int(now)) + c('ZCARD', next)
local waiting = c('ZCOUNT', delayed, '(' .. int(now), '+inf') + c('ZCOUNT', again, '(' .. int(now), '+inf')
ready = ready - blocked
blocked = blocked + c('ZCARD', lanes)
return { ready, flying, waiting, c('XLEN', dead), blocked, further or '', free, unpack(open or {}) }
