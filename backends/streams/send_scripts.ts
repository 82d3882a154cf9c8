/**
 * The scripts that publish.
 *
 * A publisher numbers nothing and remembers nothing: each batch has a token, and the server keeps the last few tokens
 * of each publisher with the answers, in a ring. A batch that is sent again, because its reply was lost or a client
 * sent it twice, gets the first answer and adds nothing.
 *
 * @module
 */
import { Script, TELL, TIME, TRIM } from "./script.ts";

/** Milliseconds for which a publisher's last batches are remembered after the newest of them. */
export const RING_MS = 600_000;

const RING = `
local function sent(ring, slot, token)
  local known = redis.call('HGET', ring, slot)
  local mark = token .. '|'
  return known and string.sub(known, 1, #mark) == mark and string.sub(known, #mark + 1)
end
local function remember(ring, slot, token, answer)
  redis.call('HSET', ring, slot, token .. '|' .. answer)
  redis.call('PEXPIRE', ring, ${RING_MS})
end
`;

/**
 * Messages with a body and nothing else.
 *
 * KEYS: stream, ring. ARGV: slot, token, channel, then the bodies.
 * Answers the entries' ids as runs, `first*count first*count …`: what is added within one millisecond is consecutive.
 */
export const SEND_PLAIN = new Script([
  RING,
  TELL,
  `
  local known = sent(KEYS[2], ARGV[1], ARGV[2])
  if known then return known end
  local add, find, stream = redis.call, string.find, KEYS[1]
  local runs, first, prefix, n = '', nil, nil, 0
  for i = 4, #ARGV do
    local id = add('XADD', stream, '*', 'data', ARGV[i])
    if n > 0 and find(id, prefix, 1, true) == 1 then
      n = n + 1
    else
      if n > 0 then runs = runs .. first .. '*' .. n .. ' ' end
      first, prefix, n = id, string.match(id, '^%d+%-'), 1
    end
  end
  runs = runs .. first .. '*' .. n
  remember(KEYS[2], ARGV[1], ARGV[2], runs)
  tell(ARGV[3])
  return runs
  `,
], { publishes: true });

/** How a message that is not due waits: sorts by when it was sent, and unpacks again. */
export const PACK = `
local function pack(order, expires, id, headers, body)
  return order .. '|' .. int(now) .. '|' .. expires .. '|' .. #id .. '|' .. #headers .. '|' .. id .. headers .. body
end
local function unpacked(packed)
  local at, expires, nid, nheaders, start = string.match(packed, '^%d+|(%d+)|(%d*)|(%d+)|(%d+)|()')
  local middle = start + nid
  local rest = middle + nheaders
  return at, expires, string.sub(packed, start, middle - 1), string.sub(packed, middle, rest - 1), string.sub(packed, rest)
end
local function put(stream, expiring, at, expires, id, headers, body)
  local entry = { 'XADD', stream, '*', 'data', body }
  local function with(name, value)
    if value ~= '' then
      entry[#entry + 1] = name
      entry[#entry + 1] = value
    end
  end
  with('id', id)
  with('headers', headers)
  with('at', at)
  with('expires', expires)
  local added = c(unpack(entry))
  if expires ~= '' then c('ZADD', expiring, expires, added) end
  return added
end
`;

/**
 * `clear(stream, limit)` trims what is settled and, at the front, what has expired and nobody has in hand.
 */
const CLEAR = `
local function clear(stream)
  trim(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return end
  local past
  for _, entry in ipairs(c('XRANGE', stream, '-', '+', 'COUNT', 1000)) do
    local expires
    for i = 1, #entry[2], 2 do if entry[2][i] == 'expires' then expires = tonumber(entry[2][i + 1]) end end
    if not expires or expires > now then break end
    local held = false
    for _, group in ipairs(groups) do
      if c('XPENDING', stream, group[2], entry[1], entry[1], 1)[1] then held = true end
    end
    if held then break end
    past = entry[1]
  end
  if past then
    local ms, seq = parts(past)
    c('XTRIM', stream, 'MINID', int(ms) .. '-' .. int(seq + 1))
  end
end
`;

/**
 * Messages with ids, headers, delays, times to live, or a bound on the queue.
 *
 * KEYS: stream, ring, delayed, ids, expiring, wake. ARGV: slot, token, channel, the most messages (0: any number), what
 * to do then (`reject` or `drop`), the milliseconds for which ids are remembered, `1` to trim; then six for each message:
 * body; id (`=id` chosen by the publisher, `~id` made and to be carried, or nothing); headers; delay; time to live; and
 * `slot token` of an earlier batch that may have brought this id already.
 * Answers one word for each: `=` a duplicate, `!` full, `+` delayed, else the entry's id.
 */
export const SEND = new Script([
  TIME,
  TELL,
  RING,
  TRIM,
  PACK,
  CLEAR,
  `
  local stream, ring, delayed, ids, expiring, wake = unpack(KEYS)
  local slot, token, channel, limit, overflow, window, trimming = unpack(ARGV, 1, 7)
  local known = sent(ring, slot, token)
  if known then return known end
  local used = c('XLEN', stream) + c('ZCARD', delayed) -- refuses a key of another type before anything is written
  limit = tonumber(limit)
  if trimming == '1' then trim(stream) end
  for _, old in ipairs(c('ZRANGEBYSCORE', ids, '-inf', now - window, 'LIMIT', 0, #ARGV)) do c('ZREM', ids, old) end
  local words, cleared, later, chosen = {}, false, false, false
  for i = 8, #ARGV, 6 do
    local body, id, headers, delay, ttl, suspect = unpack(ARGV, i, i + 5)
    local mark, name = string.sub(id, 1, 1), string.sub(id, 2)
    local word
    if suspect ~= '' then
      local from, what = string.match(suspect, '^(%d+) (.*)$')
      if sent(ring, from, what) then word = '=' end
    end
    if not word and mark == '=' and c('ZSCORE', ids, name) then word = '=' end
    if not word and limit > 0 and overflow == 'reject' and used >= limit then
      if not cleared then
        cleared = true
        clear(stream)
        used = c('XLEN', stream) + c('ZCARD', delayed)
      end
      if used >= limit then word = '!' end
    end
    if not word then
      if mark == '=' then
        c('ZADD', ids, int(now), name)
        chosen = true
      end
      local expires = ttl == '' and '' or int(from(ttl))
      if delay == '0' then
        word = put(stream, expiring, '', expires, name, headers, body)
      else
        local order = string.format('%016.0f%06d', clock[1] * 1000000 + clock[2], i)
        c('ZADD', delayed, int(from(delay)), pack(order, expires, name, headers, body))
        word, later = '+', true
      end
      used = used + 1
    end
    words[#words + 1] = word
  end
  if chosen then c('PEXPIRE', ids, window) end
  if limit > 0 and overflow == 'drop' and used > limit then c('XTRIM', stream, 'MAXLEN', limit) end
  local answer = table.concat(words, ' ')
  remember(ring, slot, token, answer)
  if later then c('XADD', wake, 'MAXLEN', '1', '*', 'w', '') end
  tell(channel)
  return answer
  `,
], { publishes: true });
