-- Counts. Changes nothing.
--
-- KEYS: stream, delayed, expiring, leases, again, replay, dead
-- ARGV: group
-- Returns: ready, in flight, delayed, dead
-- Traits: repeatable
-- include: time
-- include: hold

-- Entries that were read which are counted one by one.
local COUNTED = 2000

local function later(a, b)
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  am, as, bm, bs = tonumber(am), tonumber(as), tonumber(bm), tonumber(bs)
  return am > bm or am == bm and as > bs
end
local function known(key)
  local groups = redis.pcall('XINFO', 'GROUPS', key)
  for _, fields in ipairs(groups.err and {} or groups) do
    local is = {}
    for i = 1, #fields, 2 do is[fields[i]] = fields[i + 1] end
    if is.name == group then return is end
  end
end
local function count(key, first, last, most)
  local n = 0
  repeat
    local some = c('XRANGE', key, first, last, 'COUNT', 500)
    n = n + #some
    if #some > 0 then first = '(' .. some[#some][1] end
  until #some < 500 or n > most
  return n
end
local function unread(key, is)
  -- What was read and is still there is mostly what is in flight: few. The server's own count of what was not read is
  -- wrong once such entries were trimmed, and old servers have none.
  local read = count(key, '-', is['last-delivered-id'], COUNTED)
  if read <= COUNTED then return c('XLEN', key) - read end
  if is.lag then return math.min(is.lag, c('XLEN', key)) end
  return count(key, '(' .. is['last-delivered-id'], '+', math.huge)
end
local ready, flying = 0, 0
for _, key in ipairs({ stream, replay }) do
  local is = known(key)
  if not is then
    if key == stream then ready = ready + c('XLEN', stream) end
  else
    ready = ready + unread(key, is)
    for _, fields in ipairs(c('XINFO', 'CONSUMERS', key, group)) do
      local name, pending = fields[2], fields[4]
      if name ~= HOLD and pending > 0 then
        local ends = c('ZSCORE', leases, name)
        if ends and tonumber(ends) <= now then ready = ready + pending else flying = flying + pending end
      end
    end
  end
  if key == stream then
    local after = is and is['last-delivered-id'] or '0-0'
    for _, id in ipairs(c('ZRANGEBYSCORE', expiring, '-inf', now)) do
      if later(id, after) and c('XRANGE', stream, id, id)[1] then ready = ready - 1 end
    end
  end
end
ready = ready + c('ZCOUNT', delayed, '-inf', now) + c('ZCOUNT', again, '-inf', now)
local waiting = c('ZCOUNT', delayed, '(' .. int(now), '+inf') + c('ZCOUNT', again, '(' .. int(now), '+inf')
return { ready, flying, waiting, c('XLEN', dead) }
