/**
 * The scripts that look and the ones for dead letters.
 *
 * @module
 */
import { HOLD, Script, TELL, TIME, WAKE } from "./script.ts";

/** How many entries that were read are counted one by one. */
const COUNTED = 2_000;

/**
 * KEYS: stream, delayed, expiring, leases, again, replay, dead. ARGV: group.
 * Answers ready, in flight, delayed, dead. Changes nothing.
 */
export const DEPTH = new Script([
  TIME,
  HOLD,
  `
  local stream, delayed, expiring, leases, again, replay, dead = unpack(KEYS)
  local group = ARGV[1]
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
    local read = count(key, '-', is['last-delivered-id'], ${COUNTED})
    if read <= ${COUNTED} then return c('XLEN', key) - read end
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
  `,
], { repeatable: true });

/** KEYS: dead. ARGV: where to start, how many. Answers entries. */
export const LIST = new Script([`return redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])`], {
  repeatable: true,
});

/** KEYS: dead. ARGV: ids. Answers those entries that are there. */
export const PICK = new Script([`
  local found = {}
  for _, id in ipairs(ARGV) do
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    if entry then found[#found + 1] = entry end
  end
  return found
`], { repeatable: true });

const CHOSEN = `
local ids, limit = {}, tonumber(ARGV[3])
if ARGV[4] then
  for i = 4, math.min(#ARGV, limit + 3) do ids[#ids + 1] = ARGV[i] end
else
  for _, entry in ipairs(c('XRANGE', dead, '-', '+', 'COUNT', limit)) do ids[#ids + 1] = entry[1] end
end
`;

/**
 * KEYS: dead, replay, wake. ARGV: group, channel, how many, ids (none: the oldest).
 * Puts dead letters back, for this group alone, and answers how many. A time to live ended with the message's death.
 */
export const REPLAY = new Script([
  TIME,
  TELL,
  WAKE,
  `local dead, replay, waking = unpack(KEYS)`,
  CHOSEN,
  `
  local count = 0
  for _, id in ipairs(ids) do
    local entry = c('XRANGE', dead, id, id)[1]
    if entry then
      if count == 0 then redis.pcall('XGROUP', 'CREATE', replay, ARGV[1], '0', 'MKSTREAM') end
      local fields, has, origin = entry[2], {}, nil
      local whole = { 'XADD', replay, '*' }
      for i = 1, #fields, 2 do
        if i == 7 then
          origin = string.match(fields[8], '^r?(.*)$')
        elseif i > 7 and fields[i] ~= 'expires' then
          has[fields[i]] = true
          whole[#whole + 1] = fields[i]
          whole[#whole + 1] = fields[i + 1]
        end
      end
      if not has.id then
        whole[#whole + 1] = 'id'
        whole[#whole + 1] = origin
      end
      if not has.at then
        whole[#whole + 1] = 'at'
        whole[#whole + 1] = string.match(origin, '^%d+')
      end
      c(unpack(whole))
      c('XDEL', dead, id)
      count = count + 1
    end
  end
  if count > 0 then wake(waking, ARGV[2]) end
  return count
  `,
]);

/** KEYS: dead. ARGV: group, channel, how many, ids (none: the oldest). Answers how many were removed. */
export const PURGE = new Script([
  `local c, dead = redis.call, KEYS[1]`,
  CHOSEN,
  `
  local count = 0
  for _, id in ipairs(ids) do count = count + c('XDEL', dead, id) end
  return count
  `,
]);
