/**
 * The scripts that publish.
 *
 * A batch has a token, and the server keeps the last few tokens of each publisher with the answers, in slots that are used
 * again and again. A batch that is sent once more, because its answer was lost or a client sent it twice, gets the first
 * answer and adds nothing.
 *
 * @module
 */
import { Script, TELL, TIME, TRIM } from "./script.ts";

/** Milliseconds for which a batch is remembered, unless later ones of its publisher take its slot. */
const REMEMBERED_MS = 600_000;

const REMEMBER = `
local function answered(known, token)
  local mark = token .. '|'
  return known and string.sub(known, 1, #mark) == mark and string.sub(known, #mark + 1)
end
local function remember(slot, token, answer)
  return redis.call('SET', slot, token .. '|' .. answer, 'PX', ${REMEMBERED_MS}, 'GET')
end
`;

/**
 * Messages with a body and nothing else.
 *
 * KEYS: stream, slot. ARGV: token, channel, then the bodies.
 * Answers the entries' ids as runs, `first*count first*count …`: what is added within one millisecond is consecutive.
 *
 * One message alone is added before it is known whether it should be, and taken back where it should not have been: that is
 * rare, nobody has seen it, and it saves each of the others a command.
 */
export const SEND_PLAIN = new Script([
  REMEMBER,
  TELL,
  `
  local add, stream, token = redis.call, KEYS[1], ARGV[1]
  local answer
  if ARGV[4] then
    local before = answered(add('GET', KEYS[2]), token)
    if before then return before end
    local ids, last = {}, #ARGV - 2
    for i = 1, last do ids[i] = add('XADD', stream, '*', 'data', ARGV[i + 2]) end
    local runs, i = {}, 1
    while i <= last do
      local prefix = string.match(ids[i], '^%d+%-')
      local function within(j) return string.find(ids[j], prefix, 1, true) == 1 end
      local low, high = i, last -- the last of its millisecond is one of these
      if within(high) then low = high end
      while low < high do
        local middle = math.ceil((low + high) / 2)
        if within(middle) then low = middle else high = middle - 1 end
      end
      runs[#runs + 1] = ids[i] .. '*' .. low - i + 1
      i = low + 1
    end
    answer = table.concat(runs, ' ')
    remember(KEYS[2], token, answer)
  else
    local id = add('XADD', stream, '*', 'data', ARGV[3])
    answer = id .. '*1'
    local before = answered(remember(KEYS[2], token, answer), token)
    if before then
      add('XDEL', stream, id)
      return remember(KEYS[2], token, before) and before
    end
  end
  tell(ARGV[2])
  return answer
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
 * KEYS: stream, slot, delayed, ids, expiring, wake, then the slots of suspects. ARGV: token, channel, the most messages
 * (0: any number), what to do then (`reject` or `drop`), the milliseconds for which ids are remembered, `1` to trim; then six
 * for each message: body; id (`=id` chosen by the publisher, `~id` made and to be carried, or nothing); headers; delay; time
 * to live; and `n token` of an earlier batch that may have brought this id already, its slot the nth of KEYS.
 * Answers one word for each: `=` a duplicate, `!` full, `+` delayed, else the entry's id.
 */
export const SEND = new Script([
  TIME,
  TELL,
  REMEMBER,
  TRIM,
  PACK,
  CLEAR,
  `
  local stream, slot, delayed, ids, expiring, wake = unpack(KEYS)
  local token, channel, limit, overflow, window, trimming = unpack(ARGV, 1, 6)
  local before = answered(c('GET', slot), token)
  if before then return before end
  local used = c('XLEN', stream) + c('ZCARD', delayed) -- refuses a key of another type before anything is written
  limit = tonumber(limit)
  if trimming == '1' then trim(stream) end
  for _, old in ipairs(c('ZRANGEBYSCORE', ids, '-inf', now - window, 'LIMIT', 0, #ARGV)) do c('ZREM', ids, old) end
  local words, cleared, later, chosen = {}, false, false, false
  for i = 7, #ARGV, 6 do
    local body, id, headers, delay, ttl, suspect = unpack(ARGV, i, i + 5)
    local mark, name = string.sub(id, 1, 1), string.sub(id, 2)
    local word
    if suspect ~= '' then
      local n, what = string.match(suspect, '^(%d+) (.*)$')
      if answered(c('GET', KEYS[tonumber(n)]), what) then word = '=' end
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
  remember(slot, token, answer)
  if later then c('XADD', wake, 'MAXLEN', '1', '*', 'w', '') end
  tell(channel)
  return answer
  `,
], { publishes: true });
