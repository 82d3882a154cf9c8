/**
 * The scripts of the streams engine, generated from `lua/*.lua` by `deno task scripts`. Do not edit.
 *
 * @module
 */
import type { Script } from "./script.ts";

/** Tells what the bodies of entries are byte by byte: a client decodes text, and would lose what is no UTF-8. */
export const BYTES: Script = {
  name: "bytes",
  keys: ["stream", "replay", "dead"],
  repeatable: true,
  publishes: false,
  sha: "efbca1856ae4a4dfb5d981c79a747d70e5f3cc6c",
  source: `local stream, replay, dead = unpack(KEYS, 1, 3)
local form = unpack(ARGV, 1, 1)
local taken = 1
local HEX = {}
for i = 0, 255 do HEX[string.char(i)] = string.format('%02x', i) end
local out = {}
for i = 2, #ARGV, 2 do
local entry = redis.call('XRANGE', KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 1])[1]
local body
for j = 1, entry and #entry[2] or 0, 2 do
if not body and entry[2][j] == 'data' then body = entry[2][j + 1] end
end
if not body then
out[#out + 1] = ''
elseif form == 'hex' then
out[#out + 1] = (string.gsub(body, '.', HEX))
else
out[#out + 1] = redis.sha1hex(body)
end
end
return out`,
};

/** Counts. */
export const DEPTH: Script = {
  name: "depth",
  keys: ["stream", "delayed", "expiring", "leases", "again", "replay", "dead"],
  repeatable: true,
  publishes: false,
  sha: "0724330ee754ce937a7ccb71ef1be081da00dda0",
  source: `local stream, delayed, expiring, leases, again, replay, dead = unpack(KEYS, 1, 7)
local group = unpack(ARGV, 1, 1)
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local HOLD = 'given-back'
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
return { ready, flying, waiting, c('XLEN', dead) }`,
};

/** Makes leases longer. */
export const EXTEND: Script = {
  name: "extend",
  keys: ["stream", "leases", "replay"],
  repeatable: true,
  publishes: false,
  sha: "ea2d50dce1d792a8095bc9e340af6009f585c502",
  source: `local stream, leases, replay = unpack(KEYS, 1, 3)
local group, ms = unpack(ARGV, 1, 2)
local taken = 2
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local lease, valid
local function under(name)
lease = name
local ends = c('ZSCORE', leases, name)
valid = ends and tonumber(ends) > now
end
local function split(member)
if string.sub(member, 1, 1) == 'r' then return replay, string.sub(member, 2) end
return stream, member
end
local function owned(key, id)
local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
return held and held[2] == lease and held[4]
end
local function left() return taken < #ARGV end
local function take(count)
local first = taken + 1
taken = taken + count
return unpack(ARGV, first, taken)
end
ms = tonumber(ms)
local held = {}
for _, key in ipairs({ stream, replay }) do
local pending = redis.pcall('XPENDING', key, group)
for _, consumer in ipairs(pending[4] or {}) do
held[consumer[1]] = (held[consumer[1]] or 0) + tonumber(consumer[2])
end
end
local answers = {}
while left() do
local old, new, count = take(3)
local members = { take(tonumber(count)) }
under(old)
local answer = 'k'
if valid and held[lease] == #members then
c('ZADD', leases, int(from(ms)), lease)
answer = answer .. string.rep('1', #members)
else
answer = 'm'
local moved = false
for _, member in ipairs(members) do
local key, id = split(member)
local ours = owned(key, id)
if ours then
c('XCLAIM', key, group, new, 0, id, 'JUSTID')
moved = true
end
answer = answer .. (ours and '1' or '0')
end
if moved then c('ZADD', leases, int(from(ms)), new) end
end
answers[#answers + 1] = answer
end
return answers`,
};

/** Tells whether a publish would be taken. */
export const HEALTH: Script = {
  name: "health",
  keys: ["stream", "probe"],
  repeatable: true,
  publishes: false,
  sha: "5b46f766ffeabc269fc14d7a8e1c3c608b412499",
  source: `local stream, probe = unpack(KEYS, 1, 2)
local kind = redis.call('TYPE', stream).ok
if kind ~= 'none' and kind ~= 'stream' then
return redis.error_reply('WRONGTYPE the key holds a ' .. kind .. ', not a stream')
end
redis.call('XADD', probe, 'NOMKSTREAM', '*', 'p', '')
return 1`,
};

/** Lists dead letters. */
export const LIST: Script = {
  name: "list",
  keys: ["dead"],
  repeatable: true,
  publishes: false,
  sha: "9090bb1f55bb4c5368b1acd15bf7bc58135a8657",
  source: `local dead = unpack(KEYS, 1, 1)
local from, count = unpack(ARGV, 1, 2)
return redis.call('XRANGE', dead, from, '+', 'COUNT', count)`,
};

/** Lists chosen dead letters. */
export const PICK: Script = {
  name: "pick",
  keys: ["dead"],
  repeatable: true,
  publishes: false,
  sha: "bdb5ca4017bf991365117b8a67f2c19ea60d05a5",
  source: `local dead = unpack(KEYS, 1, 1)
local taken = 0
local found = {}
for _, id in ipairs(ARGV) do
local entry = redis.call('XRANGE', dead, id, id)[1]
if entry then found[#found + 1] = entry end
end
return found`,
};

/** Removes dead letters. */
export const PURGE: Script = {
  name: "purge",
  keys: ["dead"],
  repeatable: false,
  publishes: false,
  sha: "85f42e5fc16984dfc05c699d0086a8c533db1004",
  source: `local dead = unpack(KEYS, 1, 1)
local group, channel, limit = unpack(ARGV, 1, 3)
local taken = 3
local c = redis.call
local ids = { unpack(ARGV, taken + 1, math.min(#ARGV, taken + tonumber(limit))) }
if #ARGV == taken then
for _, entry in ipairs(c('XRANGE', dead, '-', '+', 'COUNT', limit)) do ids[#ids + 1] = entry[1] end
end
local count = 0
for _, id in ipairs(ids) do count = count + c('XDEL', dead, id) end
return count`,
};

/** Leases messages, and takes over what leases that have ended leave behind. */
export const RECEIVE: Script = {
  name: "receive",
  keys: ["stream", "wake", "delayed", "expiring", "leases", "again", "replay"],
  repeatable: false,
  publishes: false,
  sha: "357cecb63dd4fd213f0bc2a056233455d75abf24",
  source: `local stream, wake, delayed, expiring, leases, again, replay = unpack(KEYS, 1, 7)
local group, mine, registered, room, leaseMs, sweeping, channel = unpack(ARGV, 1, 7)
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
local HOLD = 'given-back'
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
local MOVED = 500
local ENDED = 16
local FORGOTTEN_MS = 3600000
local LEASE_PREFIX = 'lease:'
room, leaseMs = tonumber(room), tonumber(leaseMs)
if registered == '1' then
local ends = c('ZSCORE', leases, mine)
if not ends or tonumber(ends) <= now then return { -1 } end
end
local function sweep(stream, tag)
local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
if consumers.err then return end
for _, consumer in ipairs(consumers) do
local is = {}
for i = 1, #consumer, 2 do is[consumer[i]] = consumer[i + 1] end
if is.name == HOLD then
if is.pending > c('ZCARD', again) then
for _, held in ipairs(c('XPENDING', stream, group, '-', '+', 1000, HOLD)) do
c('ZADD', again, 'NX', int(now), tag .. held[1])
end
end
elseif is.name ~= mine and not c('ZSCORE', leases, is.name) then
if is.pending > 0 and is.idle >= leaseMs then
c('ZADD', leases, int(now), is.name)
elseif is.pending == 0 and is.idle > FORGOTTEN_MS and string.find(is.name, LEASE_PREFIX, 1, true) == 1 then
c('XGROUP', 'DELCONSUMER', stream, group, is.name)
end
end
end
end
local due = c('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, MOVED)
for _, packed in ipairs(due) do
local at, expires, id, headers, body = unpacked(packed)
if expires == '' or tonumber(expires) > now then put(stream, expiring, at, expires, id, headers, body) end
c('ZREM', delayed, packed)
end
if #due > 0 then tell(channel) end
local out, n, dropped = { now }, 1, false
local function give(key, tag, entry, attempts)
local id, fields = entry[1], entry[2]
local count = #fields
if count > 4 or count == 4 and fields[3] ~= 'id' then
for i = 1, count, 2 do
if fields[i] == 'expires' and (tonumber(fields[i + 1]) or math.huge) <= now then
c('XACK', key, group, id)
dropped = true
return
end
end
end
room = room - 1
if attempts == 1 and tag == '' and fields[1] == 'data' then
if count == 2 then
out[n + 1], out[n + 2] = id, fields[2]
n = n + 2
return
elseif count == 4 and fields[3] == 'id' then
n = n + 1
out[n] = { id, fields[4], fields[2] }
return
end
end
local whole = { tag .. id, attempts }
for i = 1, count do whole[i + 2] = fields[i] end
n = n + 1
out[n] = whole
end
local function claim(key, tag, id, attempts)
local entry = c('XCLAIM', key, group, mine, 0, id)[1]
if entry and entry[2] then
give(key, tag, entry, attempts)
else
c('XACK', key, group, id) -- somebody trimmed the entry away
end
end
local streams = { { stream, '' } }
if c('EXISTS', replay) == 1 then streams[2] = { replay, 'r' } end
if sweeping == '1' then
for _, s in ipairs(streams) do sweep(s[1], s[2]) end
end
for _, old in ipairs(c('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, ENDED)) do
if room <= 0 then break end
local empty = true
for _, s in ipairs(streams) do
local held = redis.pcall('XPENDING', s[1], group, '-', '+', room + 1, old)
for i = 1, math.min(#held, room) do claim(s[1], s[2], held[i][1], held[i][4] + 1) end
if not held.err and redis.pcall('XPENDING', s[1], group, '-', '+', 1, old)[1] then empty = false end
end
if empty then
for _, s in ipairs(streams) do redis.pcall('XGROUP', 'DELCONSUMER', s[1], group, old) end
c('ZREM', leases, old)
end
end
if room > 0 then
for _, member in ipairs(c('ZRANGEBYSCORE', again, '-inf', now, 'LIMIT', 0, room)) do
local replayed = string.sub(member, 1, 1) == 'r'
local key, tag, id = stream, '', member
if replayed then key, tag, id = replay, 'r', string.sub(member, 2) end
local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
c('ZREM', again, member)
if held and held[2] == HOLD then claim(key, tag, id, held[4] + 1) end
end
end
if room > 0 and streams[2] then
local new = redis.pcall('XREADGROUP', 'GROUP', group, mine, 'COUNT', room, 'STREAMS', replay, '>')
if new and not new.err then
for _, entry in ipairs(new[1][2]) do give(replay, 'r', entry, 1) end
end
end
if room > 0 then
local new = redis.pcall('XREADGROUP', 'GROUP', group, mine, 'COUNT', room, 'STREAMS', stream, '>')
if new and new.err then
if not string.find(new.err, 'NOGROUP', 1, true) then return new end
c('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
new = c('XREADGROUP', 'GROUP', group, mine, 'COUNT', room, 'STREAMS', stream, '>')
end
if new then
for _, entry in ipairs(new[1][2]) do give(stream, '', entry, 1) end
end
end
if n > 1 then
c('ZADD', leases, int(from(leaseMs)), mine)
return out
end
local wait = dropped and 0 or -1
for _, key in ipairs({ delayed, leases, again }) do
local first = c('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
if first then
local left = math.max(0, tonumber(first) - now)
if wait < 0 or left < wait then wait = left end
end
end
local function last(key)
local entry = c('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
return entry and entry[1] or '0-0'
end
return { now, wait, last(stream), last(wake) }`,
};

/** Puts dead letters back, for this group alone. */
export const REPLAY: Script = {
  name: "replay",
  keys: ["dead", "replay", "wake"],
  repeatable: false,
  publishes: false,
  sha: "360da438acddb459a52316515247c421251ad7a0",
  source: `local dead, replay, wake = unpack(KEYS, 1, 3)
local group, channel, limit = unpack(ARGV, 1, 3)
local taken = 3
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
local function wakeReaders(key, channel)
c('XADD', key, 'MAXLEN', '1', '*', 'w', '')
tell(channel)
end
local ids = { unpack(ARGV, taken + 1, math.min(#ARGV, taken + tonumber(limit))) }
if #ARGV == taken then
for _, entry in ipairs(c('XRANGE', dead, '-', '+', 'COUNT', limit)) do ids[#ids + 1] = entry[1] end
end
local count = 0
for _, id in ipairs(ids) do
local entry = c('XRANGE', dead, id, id)[1]
if entry then
if count == 0 then redis.pcall('XGROUP', 'CREATE', replay, group, '0', 'MKSTREAM') end
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
if count > 0 then wakeReaders(wake, channel) end
return count`,
};

/** Publishes messages with ids, headers, delays, times to live, or a bound on the queue. */
export const SEND: Script = {
  name: "send",
  keys: ["stream", "slot", "delayed", "ids", "expiring", "wake"],
  repeatable: false,
  publishes: true,
  sha: "6dbc6ac10f4bc16428a4b9927651856a6e41437d",
  source: `local stream, slot, delayed, ids, expiring, wake = unpack(KEYS, 1, 6)
local token, channel, limit, overflow, window, trimming = unpack(ARGV, 1, 6)
local taken = 6
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
local REMEMBERED_MS = 600000
local function answered(known, token)
local mark = token .. '|'
return known and string.sub(known, 1, #mark) == mark and string.sub(known, #mark + 1)
end
local function remember(slot, token, answer)
return redis.call('SET', slot, token .. '|' .. answer, 'PX', REMEMBERED_MS, 'GET')
end
local function parts(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return tonumber(ms), tonumber(seq)
end
local function trim(stream)
local groups = redis.pcall('XINFO', 'GROUPS', stream)
if groups.err then return end
local ms, seq
for _, group in ipairs(groups) do
local is = {}
for i = 1, #group, 2 do is[group[i]] = group[i + 1] end
local oldest = is.pending > 0 and c('XPENDING', stream, is.name, '-', '+', 1)[1]
local m, s
if oldest then
m, s = parts(oldest[1])
else
m, s = parts(is['last-delivered-id'])
s = s + 1
end
if not ms or m < ms or m == ms and s < seq then ms, seq = m, s end
end
if ms then c('XTRIM', stream, 'MINID', int(ms) .. '-' .. int(seq)) end
end
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
local function left() return taken < #ARGV end
local function take(count)
local first = taken + 1
taken = taken + count
return unpack(ARGV, first, taken)
end
local before = answered(c('GET', slot), token)
if before then return before end
local used = c('XLEN', stream) + c('ZCARD', delayed) -- refuses a key of another type before anything is written
limit = tonumber(limit)
if trimming == '1' then trim(stream) end
for _, old in ipairs(c('ZRANGEBYSCORE', ids, '-inf', now - window, 'LIMIT', 0, #ARGV)) do c('ZREM', ids, old) end
local words, cleared, later, chosen = {}, false, false, false
while left() do
local body, id, headers, delay, ttl, suspect = take(6)
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
local order = string.format('%016.0f%06d', clock[1] * 1000000 + clock[2], #words)
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
return answer`,
};

/** Publishes messages that have a body and nothing else. */
export const SEND_PLAIN: Script = {
  name: "send_plain",
  keys: ["stream", "slot"],
  repeatable: false,
  publishes: true,
  sha: "e9e24025aaec1ea50d7ecfd537590cb44fc18dfa",
  source: `local stream, slot = unpack(KEYS, 1, 2)
local token, channel = unpack(ARGV, 1, 2)
local taken = 2
local REMEMBERED_MS = 600000
local function answered(known, token)
local mark = token .. '|'
return known and string.sub(known, 1, #mark) == mark and string.sub(known, #mark + 1)
end
local function remember(slot, token, answer)
return redis.call('SET', slot, token .. '|' .. answer, 'PX', REMEMBERED_MS, 'GET')
end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
local add = redis.call
local answer
if #ARGV - taken > 1 then
local before = answered(add('GET', slot), token)
if before then return before end
local ids, last = {}, #ARGV - taken
for i = 1, last do ids[i] = add('XADD', stream, '*', 'data', ARGV[taken + i]) end
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
remember(slot, token, answer)
else
local id = add('XADD', stream, '*', 'data', ARGV[taken + 1])
answer = id .. '*1'
local before = answered(remember(slot, token, answer), token)
if before then
add('XDEL', stream, id)
return remember(slot, token, before) and before
end
end
tell(channel)
return answer`,
};

/** Settles deliveries. */
export const SETTLE: Script = {
  name: "settle",
  keys: ["stream", "wake", "leases", "again", "replay", "dead"],
  repeatable: false,
  publishes: false,
  sha: "125a9ed293095b4aa1399a97577a8a942ec32653",
  source: `local stream, wake, leases, again, replay, dead = unpack(KEYS, 1, 6)
local group, channel = unpack(ARGV, 1, 2)
local taken = 2
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
local function wakeReaders(key, channel)
c('XADD', key, 'MAXLEN', '1', '*', 'w', '')
tell(channel)
end
local HOLD = 'given-back'
local function parts(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return tonumber(ms), tonumber(seq)
end
local function trim(stream)
local groups = redis.pcall('XINFO', 'GROUPS', stream)
if groups.err then return end
local ms, seq
for _, group in ipairs(groups) do
local is = {}
for i = 1, #group, 2 do is[group[i]] = group[i + 1] end
local oldest = is.pending > 0 and c('XPENDING', stream, is.name, '-', '+', 1)[1]
local m, s
if oldest then
m, s = parts(oldest[1])
else
m, s = parts(is['last-delivered-id'])
s = s + 1
end
if not ms or m < ms or m == ms and s < seq then ms, seq = m, s end
end
if ms then c('XTRIM', stream, 'MINID', int(ms) .. '-' .. int(seq)) end
end
local lease, valid
local function under(name)
lease = name
local ends = c('ZSCORE', leases, name)
valid = ends and tonumber(ends) > now
end
local function split(member)
if string.sub(member, 1, 1) == 'r' then return replay, string.sub(member, 2) end
return stream, member
end
local function owned(key, id)
local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
return held and held[2] == lease and held[4]
end
local function left() return taken < #ARGV end
local function take(count)
local first = taken + 1
taken = taken + count
return unpack(ARGV, first, taken)
end
local answer, settled, given = {}, false, false
local function say(yes) answer[#answer + 1] = yes and '1' or '0' end
local function done(key, id)
c('XACK', key, group, id)
if key == replay then c('XDEL', key, id) end
settled = true
end
local function giveBack(key, id, member, due, count)
c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', count, 'JUSTID')
c('ZADD', again, due, member)
given = true
end
local act = {}
act['retry'] = function(key, id, member, count, delay)
delay = tonumber(delay)
giveBack(key, id, member, delay > 0 and int(from(delay)) or int(now), count)
end
act['release'] = function(key, id, member, count)
local ms, seq = parts(id)
giveBack(key, id, member, string.format('%.6f', ms - 1 + math.min(seq, 4095) / 4096), count - 1)
end
act['dead'] = function(key, id, member, count, name, message)
local letter = { 'XADD', dead, '*', 'error', name, 'message', message, 'attempts', count, 'entry', member }
local entry = c('XRANGE', key, id, id)[1]
for _, text in ipairs(entry and entry[2] or {}) do letter[#letter + 1] = text end
c(unpack(letter))
done(key, id)
end
local details = { retry = 1, release = 0, dead = 2 }
while left() do
local what, first = take(2)
if what == 'lease' then
under(first)
elseif what == 'ack' then
local members = { take(tonumber(first)) }
if valid and string.sub(members[1], 1, 1) ~= 'r' then
c('XACK', stream, group, unpack(members))
for _ = 1, #members do say(true) end
settled = true
else
for _, member in ipairs(members) do
local key, id = split(member)
local ours = valid or owned(key, id)
if ours then done(key, id) end
say(ours)
end
end
else
local key, id = split(first)
local count = owned(key, id)
if count then act[what](key, id, first, count, take(details[what])) else take(details[what]) end
say(count or valid)
end
end
if settled then trim(stream) end
if given then wakeReaders(wake, channel) end
return table.concat(answer)`,
};

/** Writes something that replicas get and that leaves nothing behind, so that a WAIT has a write to wait for. */
export const TOUCH: Script = {
  name: "touch",
  keys: ["probe"],
  repeatable: true,
  publishes: false,
  sha: "ed7023620cc9f8fd0846c9cf4e6fa5c42b8afc24",
  source: `local probe = unpack(KEYS, 1, 1)
redis.call('SET', probe, '')
return redis.call('DEL', probe)`,
};
