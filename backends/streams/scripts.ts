/**
 * The scripts of the streams engine, generated from `lua/*.lua` by `deno task scripts`. Do not edit.
 *
 * @module
 */
import type { Script } from "./script.ts";

/** Counts what waits behind others of its ordering key among the entries that a group has not read. */
export const BLOCKED: Script = {
  name: "blocked",
  keys: ["stream", "lanes", "turns"],
  repeatable: true,
  publishes: false,
  sha: "32d5249f3f177868a21795cf990f66706ba7e185",
  source: `local stream, lanes, turns = unpack(KEYS, 1, 3)
local group, after, most = unpack(ARGV, 1, 3)
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local function sortable(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end
local function plain(text)
local ms, seq = string.match(text, '^0*(%d+)-0*(%d+)$')
return ms .. '-' .. seq
end
local function isBefore(a, b)
if #a == #b and string.find(a, '-', 1, true) == string.find(b, '-', 1, true) then return a < b end
return sortable(a) < sortable(b)
end
return (function()
local PART = 1000
local function each(command, key, items)
for i = 1, #items, PART do c(command, key, unpack(items, i, math.min(i + PART - 1, #items))) end
end
local LONGEST = 60
local freed = false
local function laneOf(text)
return #text <= LONGEST and text or redis.sha1hex(text) .. string.rep('#', LONGEST - 39)
end
local function ordering(fields)
local lane, over, after
for i = 1, #fields, 2 do
local name = fields[i]
if name == 'orderingKey' then
if lane == nil then lane = fields[i + 1] ~= '' and laneOf(fields[i + 1]) end
elseif name == 'expires' then
if over == nil then over = (tonumber(fields[i + 1]) or math.huge) <= now end
elseif name == 'after' then
after = after or string.match(fields[i + 1], '^%d+-%d+$')
end
end
return lane, over, after
end
local function placeOf(id)
local dash = string.find(id, '-', 1, true)
return string.char(64 + dash) .. string.sub(id, 1, dash) .. string.char(64 + #id - dash) .. string.sub(id, dash + 1)
end
local function idAt(text, from)
local dash = from + string.byte(text, from) - 64
local last = dash + 1 + string.byte(text, dash + 1) - 64
return string.sub(text, from + 1, dash) .. string.sub(text, dash + 2, last), last
end
local function replayedPlace(id, after) return placeOf(after or '0-0') .. 'r' .. placeOf(id) end
local function prefixOf(lane) return string.char(#lane) .. lane end
local function memberOf(lane, tag, id, after)
if tag == '' then return prefixOf(lane) .. placeOf(id) end
return prefixOf(lane) .. replayedPlace(id, after)
end
local function gateOf(lane, id, after) return 'g' .. replayedPlace(id, after) .. lane end
local REPLAYED = string.byte('r')
local function partsOf(member, lane)
local name, last = idAt(member, #lane + 2)
if string.byte(member, last + 1) == REPLAYED then
name, last = idAt(member, last + 2)
name = 'r' .. name
end
return name, last < #member and string.sub(member, last + 2) or nil
end
local function rangeOf(lane)
local prefix = prefixOf(lane)
return '[' .. prefix, '(' .. prefix .. 'Z'
end
local function groupOf(name, lanes, turns, again, next)
return { name = name, lanes = lanes, turns = turns, again = again, next = next, gone = {}, idle = {}, left = false }
end
local ALONE, TOGETHER, WAITING = string.byte('|+>', 1, 3)
local LOOK = 'looklooklooklooklooklooklooklooklooklooklooklooklooklooklooklook'
local function namesOf(value)
local mark = string.byte(value)
return (mark == ALONE or mark == TOGETHER) and string.sub(value, 3) or value
end
local function isNamed(value, name)
return value == name or string.find(' ' .. namesOf(value) .. ' ', ' ' .. name .. ' ', 1, true) ~= nil
end
local function waiting(value)
if string.byte(value, 2) == WAITING then return value end
return (string.byte(value) == TOGETHER and '+>' or '|>') .. namesOf(value)
end
local function leave(g, lane, name)
local gone = g.gone[lane]
g.gone[lane] = gone and gone .. ' ' .. name or name
end
local function without(names, gone)
if names == gone then return '' end
local rest = {}
gone = ' ' .. gone .. ' '
for name in string.gmatch(names, '%S+') do
if not string.find(gone, ' ' .. name .. ' ', 1, true) then rest[#rest + 1] = name end
end
return table.concat(rest, ' ')
end
local function sortableName(name)
return string.byte(name) == REPLAYED and 'r' .. sortable(string.sub(name, 2)) or sortable(name)
end
local function advance(g)
local some, idle, turns, up, due, fresh = {}, g.idle, {}, {}, {}, {}
local function comesUp(lane)
local min, max = rangeOf(lane)
local first, second = unpack(c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, 2))
if not first then return end
local name, at = partsOf(first, lane)
local list = at and due or fresh
list[#list + 1] = at or int(now)
list[#list + 1] = at and sortableName(name) or name
up[#up + 1] = first
return second and '|>' .. name or name
end
local function go(lane, value)
local names = namesOf(value)
local rest = without(names, g.gone[lane])
if rest == names then return end
local left = rest ~= '' and string.sub(value, 1, 2) .. rest or string.byte(value, 2) == WAITING and comesUp(lane)
if left then
turns[#turns + 1] = lane
turns[#turns + 1] = left
else
idle[#idle + 1] = lane
end
end
for lane in pairs(g.gone) do some[#some + 1] = lane end
for from = 1, #some, PART do
local values = c('HMGET', g.turns, unpack(some, from, math.min(from + PART - 1, #some)))
for i = 1, #values do
if values[i] then go(some[from + i - 1], values[i]) end
end
end
local left = g.left or #idle > 0
g.gone, g.idle, g.left = {}, {}, false
each('HDEL', g.turns, idle)
each('HSET', g.turns, turns)
each('ZREM', g.lanes, up)
each('ZADD', g.again, due)
each('ZADD', g.next, fresh)
freed = freed or #up > 0 or left and c('HDEL', g.turns, LOOK) == 1
return #up
end
local RUN_NAMES = 'namenamenamenamenamenamenamenamenamenamenamenamenamenamenamename'
local RUN_LANES = 'lanelanelanelanelanelanelanelanelanelanelanelanelanelanelanelane'
local RUN_LEAST, RUN_WORDS = 32, 64
local WORD = '(%d+%-)(%d+)%*?(%d*)'
local function isInRun(text, name)
local ms, seq = string.match(name, '^(%d+%-)(%d+)$')
for first, from, count in string.gmatch(text, WORD) do
if first == ms and (from == seq or count ~= '' and from + 0 <= seq + 0 and seq + 0 < from + count) then return true end
end
return false
end
local function hasRun(turns) return c('HEXISTS', turns, RUN_NAMES) == 1 end
local function runOf(turns)
local found = c('HMGET', turns, RUN_NAMES, RUN_LANES)
return found[1], found[2]
end
local function dropRun(turns) c('HDEL', turns, RUN_NAMES, RUN_LANES) end
local function namer(text)
local word, ms, from, count, first, last = string.gmatch(text, WORD), nil, nil, nil, 0, 0
return function(place)
while place > last do
ms, from, count = word()
first, last = last + 1, last + (count == '' and 1 or count)
end
return ms .. (count == '' and from or int(from + place - first))
end
end
local function spreadRun(turns, done)
local text, texts = runOf(turns)
if not text then return end
local isDone, nameAt, rest, names, fields = {}, namer(text), {}, {}, {}
for _, lane in ipairs(done or {}) do isDone[lane] = true end
for place, lane in ipairs(cjson.decode(texts)) do
if not isDone[lane] then rest[#rest + 1], names[#names + 1] = lane, nameAt(place) end
end
for from = 1, #rest, PART do
local values = c('HMGET', turns, unpack(rest, from, math.min(from + PART - 1, #rest)))
for i = 1, #values do
if not values[i] then
fields[#fields + 1] = rest[from + i - 1]
fields[#fields + 1] = names[from + i - 1]
end
end
end
each('HSET', turns, fields)
dropRun(turns) -- at the end, so that the hash stays one that is quick to write to
end
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
local count, id, free = blockedAfter(stream, after, tonumber(most))
return { count, id or '', free }
end)()`,
};

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

/** Counts a part of the entries between two ids. */
export const COUNT: Script = {
  name: "count",
  keys: ["stream"],
  repeatable: true,
  publishes: false,
  sha: "01ba549b34a5918519f5db9be96a074d29b7009c",
  source: `local stream = unpack(KEYS, 1, 1)
local first, last, most = unpack(ARGV, 1, 3)
local function span(key, first, last, most)
local n, id = 0, nil
repeat
local some = redis.call('XRANGE', key, first, last, 'COUNT', 200)
n = n + #some
if #some > 0 then
id = some[#some][1]
first = '(' .. id
end
until #some < 200 or n > most
return n, id
end
return (function()
local n, id = span(stream, first, last, tonumber(most))
return { n, id or '', redis.call('XLEN', stream) }
end)()`,
};

/** Counts messages by where they are. */
export const DEPTH: Script = {
  name: "depth",
  keys: ["stream", "delayed", "expiring", "leases", "again", "replay", "dead", "lanes", "turns", "next"],
  repeatable: true,
  publishes: false,
  sha: "70ea18611c61d8b16c4ce7fdf600b2770ad3b4c9",
  source: `local stream, delayed, expiring, leases, again, replay, dead, lanes,
turns, next = unpack(KEYS, 1, 10)
local group, most = unpack(ARGV, 1, 2)
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local HOLD = 'given-back'
local function sortable(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end
local function plain(text)
local ms, seq = string.match(text, '^0*(%d+)-0*(%d+)$')
return ms .. '-' .. seq
end
local function isBefore(a, b)
if #a == #b and string.find(a, '-', 1, true) == string.find(b, '-', 1, true) then return a < b end
return sortable(a) < sortable(b)
end
local function span(key, first, last, most)
local n, id = 0, nil
repeat
local some = redis.call('XRANGE', key, first, last, 'COUNT', 200)
n = n + #some
if #some > 0 then
id = some[#some][1]
first = '(' .. id
end
until #some < 200 or n > most
return n, id
end
return (function()
local PART = 1000
local function each(command, key, items)
for i = 1, #items, PART do c(command, key, unpack(items, i, math.min(i + PART - 1, #items))) end
end
local LONGEST = 60
local freed = false
local function laneOf(text)
return #text <= LONGEST and text or redis.sha1hex(text) .. string.rep('#', LONGEST - 39)
end
local function ordering(fields)
local lane, over, after
for i = 1, #fields, 2 do
local name = fields[i]
if name == 'orderingKey' then
if lane == nil then lane = fields[i + 1] ~= '' and laneOf(fields[i + 1]) end
elseif name == 'expires' then
if over == nil then over = (tonumber(fields[i + 1]) or math.huge) <= now end
elseif name == 'after' then
after = after or string.match(fields[i + 1], '^%d+-%d+$')
end
end
return lane, over, after
end
local function placeOf(id)
local dash = string.find(id, '-', 1, true)
return string.char(64 + dash) .. string.sub(id, 1, dash) .. string.char(64 + #id - dash) .. string.sub(id, dash + 1)
end
local function idAt(text, from)
local dash = from + string.byte(text, from) - 64
local last = dash + 1 + string.byte(text, dash + 1) - 64
return string.sub(text, from + 1, dash) .. string.sub(text, dash + 2, last), last
end
local function replayedPlace(id, after) return placeOf(after or '0-0') .. 'r' .. placeOf(id) end
local function prefixOf(lane) return string.char(#lane) .. lane end
local function memberOf(lane, tag, id, after)
if tag == '' then return prefixOf(lane) .. placeOf(id) end
return prefixOf(lane) .. replayedPlace(id, after)
end
local function gateOf(lane, id, after) return 'g' .. replayedPlace(id, after) .. lane end
local REPLAYED = string.byte('r')
local function partsOf(member, lane)
local name, last = idAt(member, #lane + 2)
if string.byte(member, last + 1) == REPLAYED then
name, last = idAt(member, last + 2)
name = 'r' .. name
end
return name, last < #member and string.sub(member, last + 2) or nil
end
local function rangeOf(lane)
local prefix = prefixOf(lane)
return '[' .. prefix, '(' .. prefix .. 'Z'
end
local function groupOf(name, lanes, turns, again, next)
return { name = name, lanes = lanes, turns = turns, again = again, next = next, gone = {}, idle = {}, left = false }
end
local ALONE, TOGETHER, WAITING = string.byte('|+>', 1, 3)
local LOOK = 'looklooklooklooklooklooklooklooklooklooklooklooklooklooklooklook'
local function namesOf(value)
local mark = string.byte(value)
return (mark == ALONE or mark == TOGETHER) and string.sub(value, 3) or value
end
local function isNamed(value, name)
return value == name or string.find(' ' .. namesOf(value) .. ' ', ' ' .. name .. ' ', 1, true) ~= nil
end
local function waiting(value)
if string.byte(value, 2) == WAITING then return value end
return (string.byte(value) == TOGETHER and '+>' or '|>') .. namesOf(value)
end
local function leave(g, lane, name)
local gone = g.gone[lane]
g.gone[lane] = gone and gone .. ' ' .. name or name
end
local function without(names, gone)
if names == gone then return '' end
local rest = {}
gone = ' ' .. gone .. ' '
for name in string.gmatch(names, '%S+') do
if not string.find(gone, ' ' .. name .. ' ', 1, true) then rest[#rest + 1] = name end
end
return table.concat(rest, ' ')
end
local function sortableName(name)
return string.byte(name) == REPLAYED and 'r' .. sortable(string.sub(name, 2)) or sortable(name)
end
local function advance(g)
local some, idle, turns, up, due, fresh = {}, g.idle, {}, {}, {}, {}
local function comesUp(lane)
local min, max = rangeOf(lane)
local first, second = unpack(c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, 2))
if not first then return end
local name, at = partsOf(first, lane)
local list = at and due or fresh
list[#list + 1] = at or int(now)
list[#list + 1] = at and sortableName(name) or name
up[#up + 1] = first
return second and '|>' .. name or name
end
local function go(lane, value)
local names = namesOf(value)
local rest = without(names, g.gone[lane])
if rest == names then return end
local left = rest ~= '' and string.sub(value, 1, 2) .. rest or string.byte(value, 2) == WAITING and comesUp(lane)
if left then
turns[#turns + 1] = lane
turns[#turns + 1] = left
else
idle[#idle + 1] = lane
end
end
for lane in pairs(g.gone) do some[#some + 1] = lane end
for from = 1, #some, PART do
local values = c('HMGET', g.turns, unpack(some, from, math.min(from + PART - 1, #some)))
for i = 1, #values do
if values[i] then go(some[from + i - 1], values[i]) end
end
end
local left = g.left or #idle > 0
g.gone, g.idle, g.left = {}, {}, false
each('HDEL', g.turns, idle)
each('HSET', g.turns, turns)
each('ZREM', g.lanes, up)
each('ZADD', g.again, due)
each('ZADD', g.next, fresh)
freed = freed or #up > 0 or left and c('HDEL', g.turns, LOOK) == 1
return #up
end
local RUN_NAMES = 'namenamenamenamenamenamenamenamenamenamenamenamenamenamenamename'
local RUN_LANES = 'lanelanelanelanelanelanelanelanelanelanelanelanelanelanelanelane'
local RUN_LEAST, RUN_WORDS = 32, 64
local WORD = '(%d+%-)(%d+)%*?(%d*)'
local function isInRun(text, name)
local ms, seq = string.match(name, '^(%d+%-)(%d+)$')
for first, from, count in string.gmatch(text, WORD) do
if first == ms and (from == seq or count ~= '' and from + 0 <= seq + 0 and seq + 0 < from + count) then return true end
end
return false
end
local function hasRun(turns) return c('HEXISTS', turns, RUN_NAMES) == 1 end
local function runOf(turns)
local found = c('HMGET', turns, RUN_NAMES, RUN_LANES)
return found[1], found[2]
end
local function dropRun(turns) c('HDEL', turns, RUN_NAMES, RUN_LANES) end
local function namer(text)
local word, ms, from, count, first, last = string.gmatch(text, WORD), nil, nil, nil, 0, 0
return function(place)
while place > last do
ms, from, count = word()
first, last = last + 1, last + (count == '' and 1 or count)
end
return ms .. (count == '' and from or int(from + place - first))
end
end
local function spreadRun(turns, done)
local text, texts = runOf(turns)
if not text then return end
local isDone, nameAt, rest, names, fields = {}, namer(text), {}, {}, {}
for _, lane in ipairs(done or {}) do isDone[lane] = true end
for place, lane in ipairs(cjson.decode(texts)) do
if not isDone[lane] then rest[#rest + 1], names[#names + 1] = lane, nameAt(place) end
end
for from = 1, #rest, PART do
local values = c('HMGET', turns, unpack(rest, from, math.min(from + PART - 1, #rest)))
for i = 1, #values do
if not values[i] then
fields[#fields + 1] = rest[from + i - 1]
fields[#fields + 1] = names[from + i - 1]
end
end
end
each('HSET', turns, fields)
dropRun(turns) -- at the end, so that the hash stays one that is quick to write to
end
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
end)()`,
};

/** Looks which groups of a stream nobody reads, and whether somebody has trimmed what is unsettled. */
export const DIAGNOSE: Script = {
  name: "diagnose",
  keys: ["stream"],
  repeatable: true,
  publishes: false,
  sha: "e04183827bc531d38f27163d7b5c026438cf2da7",
  source: `local stream = unpack(KEYS, 1, 1)
local many = unpack(ARGV, 1, 1)
local HOLD = 'given-back'
return (function()
local clock = redis.call('TIME')
local found = { clock[1] .. string.format('%03d', math.floor(clock[2] / 1000)), '0', '' }
if redis.call('TYPE', stream).ok ~= 'stream' then return found end
local function atOf(id) return string.match(id, '^%d+') end
local function fieldsOf(flat)
local fields = {}
for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
return fields
end
local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
found[2] = tostring(redis.call('XLEN', stream))
found[3] = first and atOf(first[1]) or ''
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
local group = fieldsOf(flat)
local waits = redis.call('XRANGE', stream, '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
local idle = ''
for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group.name)) do
local consumer = fieldsOf(one)
if consumer.name ~= HOLD and (idle == '' or consumer.idle < idle) then idle = consumer.idle end
if not waits and consumer.name ~= HOLD and consumer.pending > 0 then
waits = redis.call('XPENDING', stream, group.name, '-', '+', 1, consumer.name)[1]
end
end
local gone = 0
for _, pending in ipairs(redis.call('XPENDING', stream, group.name, '-', '+', many)) do
if #redis.call('XRANGE', stream, pending[1], pending[1]) == 0 then gone = gone + 1 end
end
for _, text in ipairs({ group.name, waits and atOf(waits[1]) or '', tostring(idle), tostring(gone) }) do
found[#found + 1] = text
end
end
return found
end)()`,
};

/** Removes a queue with everything that belongs to it. */
export const DROP: Script = {
  name: "drop",
  keys: ["stream"],
  repeatable: true,
  publishes: false,
  sha: "2cf8dc8e02a670c7805430759006f6a2ef3572fd",
  source: `local stream = unpack(KEYS, 1, 1)
return redis.call('DEL', unpack(KEYS))`,
};

/** Makes leases longer. */
export const EXTEND: Script = {
  name: "extend",
  keys: ["stream", "leases", "replay"],
  repeatable: true,
  publishes: false,
  sha: "05767d8904fb130c27a65bffaf285e6f315bf0d3",
  source: `local stream, leases, replay = unpack(KEYS, 1, 3)
local group, ms = unpack(ARGV, 1, 2)
local taken = 2
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local lease, otherLease, valid
local function under(name, other)
lease, otherLease = name, other
local ends = c('ZSCORE', leases, name)
valid = ends and tonumber(ends) > now
end
local function place(member)
if string.sub(member, 1, 1) == 'r' then return replay, string.sub(member, 2) end
return stream, member
end
local function owned(key, id)
local row = redis.pcall('XPENDING', key, group, id, id, 1)[1]
local holder = row and row[2]
return row and (holder == lease or otherLease ~= '' and holder == otherLease) and row[4]
end
local function left() return taken < #ARGV end
local function take(count)
local first = taken + 1
taken = taken + count
return unpack(ARGV, first, taken)
end
return (function()
local function keepLeases(ms)
local left = math.ceil(ms * 2 + 10000)
if c('PTTL', leases) < left then c('PEXPIRE', leases, int(left)) end
end
ms = tonumber(ms)
local function entriesOf(consumer, count)
local found, total = {}, 0
for _, s in ipairs({ { stream, '' }, { replay, 'r' } }) do
local rows = redis.pcall('XPENDING', s[1], group, '-', '+', count, consumer)
for _, row in ipairs(rows.err and {} or rows) do
found[s[2] .. row[1]] = true
total = total + 1
end
end
return found, total
end
local function claim(name, member)
local key, id = place(member)
c('XCLAIM', key, group, name, 0, id, 'JUSTID')
end
local answers = {}
while left() do
local old, other, count = take(3)
local members = { take(tonumber(count)) }
under(old, other)
local mine, total = entriesOf(old, #members + 1)
local alone, any = valid and total == #members, false
for _, member in ipairs(members) do alone = alone and mine[member] end
local answer = { alone and 'k' or 'm' }
for i, member in ipairs(members) do
local ours = alone or owned(place(member))
if ours then
claim(alone and old or other, member)
any = true
end
answer[i + 1] = ours and '1' or '0'
end
if any then c('ZADD', leases, int(from(ms)), alone and old or other) end
answers[#answers + 1] = table.concat(answer)
end
keepLeases(ms)
return answers
end)()`,
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

/** Names the groups of a stream. */
export const INSPECT_GROUPS: Script = {
  name: "inspect_groups",
  keys: ["stream"],
  repeatable: true,
  publishes: false,
  sha: "e6012706307c71da995c3e9ed62ab9d488c4ee09",
  source: `local stream = unpack(KEYS, 1, 1)
local names = {}
local groups = redis.pcall('XINFO', 'GROUPS', stream)
for _, fields in ipairs(groups.err and {} or groups) do
for i = 1, #fields, 2 do if fields[i] == 'name' then names[#names + 1] = fields[i + 1] end end
end
return names`,
};

/** Names streams, and sets of delayed messages, among the next keys of a server. */
export const INSPECT_KEYS: Script = {
  name: "inspect_keys",
  keys: [],
  repeatable: true,
  publishes: false,
  sha: "957aefb8889eabf3182df516ad9d827cfe0af0b9",
  source: `local cursor, count = unpack(ARGV, 1, 2)
local page = redis.call('SCAN', cursor, 'COUNT', count)
local found = { page[1] }
for _, key in ipairs(page[2]) do
local kind = redis.pcall('TYPE', key).ok
if kind == 'stream' then
found[#found + 1] = 's' .. key
elseif kind == 'zset' and string.find(key, '^{.+}:.*delayed$') then
found[#found + 1] = 'd' .. key
end
end
return found`,
};

/** Reads the first messages that a group has not settled, and changes nothing. */
export const INSPECT_PEEK: Script = {
  name: "inspect_peek",
  keys: ["stream", "delayed", "leases", "again", "replay", "next"],
  repeatable: true,
  publishes: false,
  sha: "41d38c70309c3a8e53f4c65304ae44fb83a7c92c",
  source: `local stream, delayed, leases, again, replay, next = unpack(KEYS, 1, 6)
local group, limit, bytes = unpack(ARGV, 1, 3)
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local HOLD = 'given-back'
local function sortable(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end
local function plain(text)
local ms, seq = string.match(text, '^0*(%d+)-0*(%d+)$')
return ms .. '-' .. seq
end
local function isBefore(a, b)
if #a == #b and string.find(a, '-', 1, true) == string.find(b, '-', 1, true) then return a < b end
return sortable(a) < sortable(b)
end
return (function()
local function pack(order, expires, id, headers, body, key)
local lengths = #id .. '|' .. #headers .. (key == '' and '' or ':' .. #key)
return order .. '|' .. int(now) .. '|' .. expires .. '|' .. lengths .. '|' .. id .. headers .. key .. body
end
local function unpacked(packed)
local at, expires, nid, nheaders, nkey, start = string.match(packed, '^%d+|(%d+)|(%d*)|(%d+)|(%d+):?(%d*)|()')
local headers = start + nid
local key = headers + nheaders
local body = key + (tonumber(nkey) or 0)
return at, expires, string.sub(packed, start, headers - 1), string.sub(packed, headers, key - 1),
string.sub(packed, body), string.sub(packed, key, body - 1)
end
limit, bytes = tonumber(limit), tonumber(bytes)
local STEP = 200
local out, spent = { now }, 0
local function isOver(fields)
for i = 1, #fields, 2 do
if fields[i] == 'expires' then return (tonumber(fields[i + 1]) or math.huge) <= now end
end
return false
end
local function show(id, state, attempts, fields)
local whole = { id, state, attempts }
for i = 1, #fields do
whole[i + 3] = fields[i]
spent = spent + #fields[i]
end
if #out == 1 or spent <= bytes then out[#out + 1] = whole end
end
local function known(key)
local groups = redis.pcall('XINFO', 'GROUPS', key)
for _, fields in ipairs(groups.err and {} or groups) do
local is = {}
for i = 1, #fields, 2 do is[fields[i]] = fields[i + 1] end
if is.name == group then return is end
end
end
local function stateOf(tag, id, consumer)
if consumer == HOLD then
local at = c('ZSCORE', again, tag .. sortable(id))
if not at then return c('ZSCORE', next, tag .. id) and 'ready' or 'held' end
return tonumber(at) > now and 'delayed' or 'ready'
end
local ends = c('ZSCORE', leases, consumer)
if ends then return tonumber(ends) > now and 'inFlight' or 'ready' end
return string.sub(consumer, 1, 6) == 'lease:' and 'ready' or 'inFlight'
end
local function given(key, tag)
local from, shown = '-', 0
repeat
local rows = c('XPENDING', key, group, from, '+', math.min(STEP, limit))
for _, row in ipairs(rows) do
from = '(' .. row[1]
local entry = c('XRANGE', key, row[1], row[1])[1]
local state = entry and stateOf(tag, row[1], row[2])
if entry and shown < limit and spent < bytes and (state == 'inFlight' or not isOver(entry[2])) then
show(tag .. row[1], state, row[4], entry[2])
shown = shown + 1
end
end
until #rows < math.min(STEP, limit) or shown >= limit or spent >= bytes
end
local function new(key, tag, after)
local from, shown = after and '(' .. after or '-', 0
repeat
local some = c('XRANGE', key, from, '+', 'COUNT', math.min(STEP, limit))
for _, entry in ipairs(some) do
from = '(' .. entry[1]
if shown < limit and spent < bytes and not isOver(entry[2]) then
show(tag .. entry[1], 'new', 0, entry[2])
shown = shown + 1
end
end
until #some < math.min(STEP, limit) or shown >= limit or spent >= bytes
end
for _, s in ipairs({ { stream, '' }, { replay, 'r' } }) do
local is = known(s[1])
if is then given(s[1], s[2]) end
if is or s[1] == stream then new(s[1], s[2], is and is['last-delivered-id']) end
end
local waiting = c('ZRANGE', delayed, 0, limit - 1, 'WITHSCORES')
for i = 1, #waiting, 2 do
if spent >= bytes then break end
local at, expires, id, headers, body, key = unpacked(waiting[i])
local fields = { 'data', body, 'id', id, 'headers', headers, 'at', at, 'expires', expires, 'orderingKey', key or '' }
if not isOver(fields) then show('', tonumber(waiting[i + 1]) > now and 'delayed' or 'new', 0, fields) end
end
return out
end)()`,
};

/** Lists dead letters, the oldest first. */
export const LIST: Script = {
  name: "list",
  keys: ["dead"],
  repeatable: true,
  publishes: false,
  sha: "17a43175d50970ba2cfcefac6d886aec3aa855fe",
  source: `local dead = unpack(KEYS, 1, 1)
local first, count, bytes = unpack(ARGV, 1, 3)
local spent, shown = 0, 0
local function fits(entry)
for _, text in ipairs(entry[2]) do spent = spent + #text end
shown = shown + 1
return shown == 1 or spent <= tonumber(bytes)
end
return (function()
local found, step = {}, 1
count = tonumber(count)
while true do
step = math.min(step, count + 1 - #found)
local some = redis.call('XRANGE', dead, first, '+', 'COUNT', step)
for _, entry in ipairs(some) do
if #found == count or not fits(entry) then
found[#found + 1] = '1'
return found
end
found[#found + 1] = entry
first = '(' .. entry[1]
end
if #some < step then return found end
step = math.max(1, math.floor((tonumber(bytes) - spent) * shown / math.max(1, spent)))
end
end)()`,
};

/** Lists chosen dead letters. */
export const PICK: Script = {
  name: "pick",
  keys: ["dead"],
  repeatable: true,
  publishes: false,
  sha: "c5dff84147c3eff3baecd8bb51237055de1227f1",
  source: `local dead = unpack(KEYS, 1, 1)
local bytes = unpack(ARGV, 1, 1)
local taken = 1
local spent, shown = 0, 0
local function fits(entry)
for _, text in ipairs(entry[2]) do spent = spent + #text end
shown = shown + 1
return shown == 1 or spent <= tonumber(bytes)
end
return (function()
local found = {}
for i = taken + 1, #ARGV do
local entry = redis.call('XRANGE', dead, ARGV[i], ARGV[i])[1]
if entry and not fits(entry) then return { i - taken - 1, unpack(found) } end
found[#found + 1] = entry
end
return { #ARGV - taken, unpack(found) }
end)()`,
};

/** Removes dead letters. */
export const PURGE: Script = {
  name: "purge",
  keys: ["dead"],
  repeatable: false,
  publishes: false,
  sha: "dc32dec0d0077254d37685fdf3e956de9abc336a",
  source: `local dead = unpack(KEYS, 1, 1)
local group, channel, limit = unpack(ARGV, 1, 3)
local taken = 3
local c = redis.call
local ids = { unpack(ARGV, taken + 1, math.min(#ARGV, taken + tonumber(limit))) }
if #ARGV == taken then
for _, entry in ipairs(c('XRANGE', dead, '-', '+', 'COUNT', limit)) do ids[#ids + 1] = entry[1] end
end
local function forget(key) if c('XLEN', key) == 0 then c('DEL', key) end end
local count = 0
for _, id in ipairs(ids) do count = count + c('XDEL', dead, id) end
forget(dead)
return count`,
};

/** Leases messages, and takes over what leases that have ended leave behind. */
export const RECEIVE: Script = {
  name: "receive",
  keys: ["stream", "wake", "delayed", "expiring", "leases", "again", "replay", "settled", "lanes", "turns", "next"],
  repeatable: false,
  publishes: false,
  sha: "ea271e770adc4791481cbc7ae6c08544330f4c3e",
  source: `local stream, wake, delayed, expiring, leases, again, replay, settled,
lanes, turns, next = unpack(KEYS, 1, 11)
local group, mine, registered, room, leaseMs, sweeping, channel, bytes,
step, together, patient, asRun = unpack(ARGV, 1, 12)
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
local HOLD = 'given-back'
local function sortable(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end
local function plain(text)
local ms, seq = string.match(text, '^0*(%d+)-0*(%d+)$')
return ms .. '-' .. seq
end
local function isBefore(a, b)
if #a == #b and string.find(a, '-', 1, true) == string.find(b, '-', 1, true) then return a < b end
return sortable(a) < sortable(b)
end
return (function()
local function makeRoom(key) c('ZREM', key, '') end
local function isFull(key)
local refused = redis.pcall('ZADD', key, 'XX', 0, '')
return type(refused) == 'table' and refused.err and string.find(refused.err, 'OOM', 1, true) ~= nil
end
local function wakeReaders(key, channel)
c('XADD', key, 'MAXLEN', '1', '*', 'w', '')
c('PEXPIRE', key, 120000)
tell(channel)
end
local function pack(order, expires, id, headers, body, key)
local lengths = #id .. '|' .. #headers .. (key == '' and '' or ':' .. #key)
return order .. '|' .. int(now) .. '|' .. expires .. '|' .. lengths .. '|' .. id .. headers .. key .. body
end
local function unpacked(packed)
local at, expires, nid, nheaders, nkey, start = string.match(packed, '^%d+|(%d+)|(%d*)|(%d+)|(%d+):?(%d*)|()')
local headers = start + nid
local key = headers + nheaders
local body = key + (tonumber(nkey) or 0)
return at, expires, string.sub(packed, start, headers - 1), string.sub(packed, headers, key - 1),
string.sub(packed, body), string.sub(packed, key, body - 1)
end
local function put(at, expires, id, headers, body, key)
local entry = { 'XADD', stream, '*', 'data', body }
local function with(name, value)
if value ~= '' then
entry[#entry + 1] = name
entry[#entry + 1] = value
end
end
with('id', id)
with('orderingKey', key)
with('headers', headers)
with('at', at)
with('expires', expires)
local added = c(unpack(entry))
if expires ~= '' then c('ZADD', expiring, expires, added) end
return added
end
local function dueNow(most) return c('ZRANGEBYSCORE', delayed, '-inf', int(now), 'LIMIT', 0, most) end
local function moveIn(due)
for _, packed in ipairs(due) do
local at, expires, id, headers, body, key = unpacked(packed)
if expires == '' or tonumber(expires) > now then put(at, expires, id, headers, body, key) end
c('ZREM', delayed, packed)
end
end
local function giveBack(key, id, due, attempts)
c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
c('ZADD', again, due, (key == replay and 'r' or '') .. sortable(id))
end
local function groupsOf(stream)
local groups = redis.pcall('XINFO', 'GROUPS', stream)
if groups.err then return {} end
for g, fields in ipairs(groups) do
local is = {}
for i = 1, #fields, 2 do is[fields[i]] = fields[i + 1] end
is.last = is['last-delivered-id']
is.read = sortable(is.last)
groups[g] = is
end
return groups
end
local function frontOf(stream, groups)
local first, behind, mark
for _, is in ipairs(groups) do
local oldest = is.pending > 0 and c('XPENDING', stream, is.name, '-', '+', 1)[1]
local id = oldest and oldest[1] or is.last
local place = oldest and sortable(id) or is.read .. '+'
if not mark or place < mark then first, behind, mark = id, not oldest, place end
end
return first, behind
end
local function neededBy(stream, groups, id, mine)
local place = sortable(id)
for _, is in ipairs(groups) do
if is.name ~= mine then
if place > is.read then return true end
if is.pending > 0 and c('XPENDING', stream, is.name, id, id, 1)[1] then return true end
end
end
return false
end
local PART = 1000
local function each(command, key, items)
for i = 1, #items, PART do c(command, key, unpack(items, i, math.min(i + PART - 1, #items))) end
end
local function forgetExpiring(ids)
if c('EXISTS', expiring) == 1 then each('ZREM', expiring, ids) end
end
local function removeEntries(ids)
each('XDEL', stream, ids)
forgetExpiring(ids)
end
local LONGEST = 60
local freed = false
local function laneOf(text)
return #text <= LONGEST and text or redis.sha1hex(text) .. string.rep('#', LONGEST - 39)
end
local function ordering(fields)
local lane, over, after
for i = 1, #fields, 2 do
local name = fields[i]
if name == 'orderingKey' then
if lane == nil then lane = fields[i + 1] ~= '' and laneOf(fields[i + 1]) end
elseif name == 'expires' then
if over == nil then over = (tonumber(fields[i + 1]) or math.huge) <= now end
elseif name == 'after' then
after = after or string.match(fields[i + 1], '^%d+-%d+$')
end
end
return lane, over, after
end
local function placeOf(id)
local dash = string.find(id, '-', 1, true)
return string.char(64 + dash) .. string.sub(id, 1, dash) .. string.char(64 + #id - dash) .. string.sub(id, dash + 1)
end
local function idAt(text, from)
local dash = from + string.byte(text, from) - 64
local last = dash + 1 + string.byte(text, dash + 1) - 64
return string.sub(text, from + 1, dash) .. string.sub(text, dash + 2, last), last
end
local function replayedPlace(id, after) return placeOf(after or '0-0') .. 'r' .. placeOf(id) end
local function prefixOf(lane) return string.char(#lane) .. lane end
local function memberOf(lane, tag, id, after)
if tag == '' then return prefixOf(lane) .. placeOf(id) end
return prefixOf(lane) .. replayedPlace(id, after)
end
local function gateOf(lane, id, after) return 'g' .. replayedPlace(id, after) .. lane end
local REPLAYED = string.byte('r')
local function partsOf(member, lane)
local name, last = idAt(member, #lane + 2)
if string.byte(member, last + 1) == REPLAYED then
name, last = idAt(member, last + 2)
name = 'r' .. name
end
return name, last < #member and string.sub(member, last + 2) or nil
end
local function rangeOf(lane)
local prefix = prefixOf(lane)
return '[' .. prefix, '(' .. prefix .. 'Z'
end
local function groupOf(name, lanes, turns, again, next)
return { name = name, lanes = lanes, turns = turns, again = again, next = next, gone = {}, idle = {}, left = false }
end
local ALONE, TOGETHER, WAITING = string.byte('|+>', 1, 3)
local LOOK = 'looklooklooklooklooklooklooklooklooklooklooklooklooklooklooklook'
local function namesOf(value)
local mark = string.byte(value)
return (mark == ALONE or mark == TOGETHER) and string.sub(value, 3) or value
end
local function isNamed(value, name)
return value == name or string.find(' ' .. namesOf(value) .. ' ', ' ' .. name .. ' ', 1, true) ~= nil
end
local function waiting(value)
if string.byte(value, 2) == WAITING then return value end
return (string.byte(value) == TOGETHER and '+>' or '|>') .. namesOf(value)
end
local function leave(g, lane, name)
local gone = g.gone[lane]
g.gone[lane] = gone and gone .. ' ' .. name or name
end
local function without(names, gone)
if names == gone then return '' end
local rest = {}
gone = ' ' .. gone .. ' '
for name in string.gmatch(names, '%S+') do
if not string.find(gone, ' ' .. name .. ' ', 1, true) then rest[#rest + 1] = name end
end
return table.concat(rest, ' ')
end
local function sortableName(name)
return string.byte(name) == REPLAYED and 'r' .. sortable(string.sub(name, 2)) or sortable(name)
end
local function advance(g)
local some, idle, turns, up, due, fresh = {}, g.idle, {}, {}, {}, {}
local function comesUp(lane)
local min, max = rangeOf(lane)
local first, second = unpack(c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, 2))
if not first then return end
local name, at = partsOf(first, lane)
local list = at and due or fresh
list[#list + 1] = at or int(now)
list[#list + 1] = at and sortableName(name) or name
up[#up + 1] = first
return second and '|>' .. name or name
end
local function go(lane, value)
local names = namesOf(value)
local rest = without(names, g.gone[lane])
if rest == names then return end
local left = rest ~= '' and string.sub(value, 1, 2) .. rest or string.byte(value, 2) == WAITING and comesUp(lane)
if left then
turns[#turns + 1] = lane
turns[#turns + 1] = left
else
idle[#idle + 1] = lane
end
end
for lane in pairs(g.gone) do some[#some + 1] = lane end
for from = 1, #some, PART do
local values = c('HMGET', g.turns, unpack(some, from, math.min(from + PART - 1, #some)))
for i = 1, #values do
if values[i] then go(some[from + i - 1], values[i]) end
end
end
local left = g.left or #idle > 0
g.gone, g.idle, g.left = {}, {}, false
each('HDEL', g.turns, idle)
each('HSET', g.turns, turns)
each('ZREM', g.lanes, up)
each('ZADD', g.again, due)
each('ZADD', g.next, fresh)
freed = freed or #up > 0 or left and c('HDEL', g.turns, LOOK) == 1
return #up
end
local function orderedGroups(groups)
local found = {}
for _, is in ipairs(groups) do
local prefix = string.sub(expiring, 1, -#'expiring' - 1) .. 'group:' .. is.name .. ':'
if is.pending > 0 and redis.pcall('EXISTS', prefix .. 'turns') == 1 then
found[#found + 1] = groupOf(is.name, prefix .. 'lanes', prefix .. 'turns', prefix .. 'again', prefix .. 'next')
end
end
return found
end
local function goneFrom(ordered, id)
local entry = #ordered > 0 and c('XRANGE', stream, id, id)[1]
local lane = entry and ordering(entry[2])
if not lane then return end
local member = memberOf(lane, '', id)
for _, g in ipairs(ordered) do
local row = c('XPENDING', stream, g.name, id, id, 1)[1]
if not row or row[2] == HOLD then
local value = c('HGET', g.turns, lane)
if value and isNamed(value, id) then
leave(g, lane, id)
else
each('ZREM', g.lanes, c('ZRANGEBYLEX', g.lanes, '[' .. member, '(' .. member .. 'A', 'LIMIT', 0, 1))
end
if row then c('XACK', stream, g.name, id) end
c('ZREM', g.again, sortable(id))
c('ZREM', g.next, id)
end
end
end
local function advanceAll(ordered)
for _, g in ipairs(ordered) do advance(g) end
end
local function expire(most)
local over = c('ZRANGEBYSCORE', expiring, '-inf', int(now), 'LIMIT', 0, most)
if #over == 0 then return end
local groups = groupsOf(stream)
local ordered = orderedGroups(groups)
local helpers = string.sub(expiring, 1, -#'expiring' - 1) .. 'group:'
local function inHandUntil(group, consumer, idle)
if consumer == HOLD then return 0 end
if string.sub(consumer, 1, 6) ~= 'lease:' then return idle < 3600000 and now + 60000 or 0 end
local ends = redis.pcall('ZSCORE', helpers .. group .. ':leases', consumer)
if type(ends) == 'table' then return ends.err and now + 60000 or 0 end
return ends and tonumber(ends) > now and tonumber(ends) or 0
end
local gone = {}
for _, id in ipairs(over) do
local holders, held = {}, 0
for _, is in ipairs(groups) do
local row = is.pending > 0 and c('XPENDING', stream, is.name, id, id, 1)[1]
if row then
holders[#holders + 1] = is.name
held = math.max(held, inHandUntil(is.name, row[2], row[3]))
end
end
if held > 0 then
c('ZADD', expiring, int(held), id) -- to be inspected again
else
for _, name in ipairs(holders) do
c('XACK', stream, name, id)
redis.pcall('ZREM', helpers .. name .. ':again', sortable(id))
end
goneFrom(ordered, id)
gone[#gone + 1] = id
end
end
advanceAll(ordered)
removeEntries(gone)
if #gone > 0 and c('EXISTS', settled) == 1 then c('ZREM', settled, unpack(gone)) end
end
local function keepLeases(ms)
local left = math.ceil(ms * 2 + 10000)
if c('PTTL', leases) < left then c('PEXPIRE', leases, int(left)) end
end
local function backInTurn(g, key, id, due, attempts, name, lane)
local value = c('HGET', g.turns, lane)
if not value or string.byte(value) ~= TOGETHER or not isNamed(value, name) then return false end
local member
if key == replay then
local entry = c('XRANGE', key, id, id)[1]
member = memberOf(lane, 'r', id, entry and select(3, ordering(entry[2])))
else
member = memberOf(lane, '', id)
end
c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
c('ZADD', g.lanes, 0, member .. '@' .. due)
c('HSET', g.turns, lane, waiting(value))
leave(g, lane, name)
return true
end
local MOVED = 500
local ENDED = 16
local EXPIRED = 100
local PASSED = 1000
local PASSED_AT_ONCE = 200
local FORGOTTEN_MS = 3600000
local LEASE_PREFIX = 'lease:'
room, leaseMs, bytes, step, together = tonumber(room), tonumber(leaseMs), tonumber(bytes), tonumber(step), tonumber(together)
if registered == '1' then
local ends = c('ZSCORE', leases, mine)
if not ends or tonumber(ends) <= now then return { -1 } end
end
local due = dueNow(MOVED)
if #due > room and isFull(leases) then due = { unpack(due, 1, room) } end
makeRoom(leases)
moveIn(due)
if #due > 0 then tell(channel) end
expire(EXPIRED)
local expiryFreed = freed
local streams = { { stream, '' } }
if c('EXISTS', replay) == 1 then streams[2] = { replay, 'r' } end
local g = groupOf(group, lanes, turns, again, next)
local RUN_NAMES = 'namenamenamenamenamenamenamenamenamenamenamenamenamenamenamename'
local RUN_LANES = 'lanelanelanelanelanelanelanelanelanelanelanelanelanelanelanelane'
local RUN_LEAST, RUN_WORDS = 32, 64
local WORD = '(%d+%-)(%d+)%*?(%d*)'
local function isInRun(text, name)
local ms, seq = string.match(name, '^(%d+%-)(%d+)$')
for first, from, count in string.gmatch(text, WORD) do
if first == ms and (from == seq or count ~= '' and from + 0 <= seq + 0 and seq + 0 < from + count) then return true end
end
return false
end
local function hasRun(turns) return c('HEXISTS', turns, RUN_NAMES) == 1 end
local function runOf(turns)
local found = c('HMGET', turns, RUN_NAMES, RUN_LANES)
return found[1], found[2]
end
local function dropRun(turns) c('HDEL', turns, RUN_NAMES, RUN_LANES) end
local function namer(text)
local word, ms, from, count, first, last = string.gmatch(text, WORD), nil, nil, nil, 0, 0
return function(place)
while place > last do
ms, from, count = word()
first, last = last + 1, last + (count == '' and 1 or count)
end
return ms .. (count == '' and from or int(from + place - first))
end
end
local function spreadRun(turns, done)
local text, texts = runOf(turns)
if not text then return end
local isDone, nameAt, rest, names, fields = {}, namer(text), {}, {}, {}
for _, lane in ipairs(done or {}) do isDone[lane] = true end
for place, lane in ipairs(cjson.decode(texts)) do
if not isDone[lane] then rest[#rest + 1], names[#names + 1] = lane, nameAt(place) end
end
for from = 1, #rest, PART do
local values = c('HMGET', turns, unpack(rest, from, math.min(from + PART - 1, #rest)))
for i = 1, #values do
if not values[i] then
fields[#fields + 1] = rest[from + i - 1]
fields[#fields + 1] = names[from + i - 1]
end
end
end
each('HSET', turns, fields)
dropRun(turns) -- at the end, so that the hash stays one that is quick to write to
end
local function enter(g, lane, name, member)
local value = c('HGET', g.turns, lane)
if not value then c('HSET', g.turns, lane, name) end
if not value or isNamed(value, name) then return true end
if not c('ZRANGEBYLEX', g.lanes, '[' .. member, '(' .. member .. 'A', 'LIMIT', 0, 1)[1] then
c('ZADD', g.lanes, 0, member .. '@0')
end
c('HSET', g.turns, lane, waiting(value))
return false
end
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
if sweeping == '1' then sweep(g) end
local ordered = c('EXISTS', turns, lanes) > 0
local known = {}
local changed, changes = {}, 0
local function setTurn(lane, value)
known[lane] = value
changed[changes + 1], changed[changes + 2] = lane, value
changes = changes + 2
end
local MANY, LONG = 32, '....................................................................................................'
local isTable = false
local function saveTurns()
if changes > MANY and not isTable then
isTable = true
c('HSET', turns, LONG, '')
each('HSET', turns, changed)
c('HDEL', turns, LONG)
else
each('HSET', turns, changed)
end
changed, changes = {}, 0
end
local function noteRun(words, lanes, names, texts)
if asRun == '1' and #lanes >= RUN_LEAST and words <= RUN_WORDS and not hasRun(turns) then
c('HSET', turns, RUN_NAMES, names, RUN_LANES, texts)
return true
end
for i = 1, #lanes do setTurn(lanes[i], known[lanes[i]]) end
saveTurns()
return false
end
local out, n, dropped, given, spent = { now }, 1, false, 0, 0
local run, runs, runIds, runKeys, runAlone = nil, 0, nil, nil, nil
local function detailsOf(fields)
local count = #fields
if count == 2 or count == 4 and fields[3] == 'id' then return end
local last = fields[count - 1] == 'orderingKey' and fields[count] ~= ''
if last and fields[1] == 'data' and (count == 4 or count == 6 and fields[3] == 'id') then return laneOf(fields[count]) end
return ordering(fields)
end
local function blockedFor(free, id, attempts)
local visible = free and attempts == 1 and tonumber(string.match(id, '^%d+'))
return visible and visible <= free and visible > free - 31536000000 and int(free - visible) or nil
end
local function endRun()
if run then
run[2], run[3] = table.concat(runIds, ' '), cjson.encode(runKeys)
if runAlone and noteRun(#runIds, runKeys, run[2], run[3]) then run[1] = 'run' end
end
run = nil
end
local function beginRun(alone)
if run and runAlone == alone then return end
endRun()
run, runs, runIds, runKeys, runAlone, n = { 'k', '', '' }, 0, {}, {}, alone, n + 1
out[n] = run
end
local function giveOrdered(id, body, text)
room, given, spent = room - 1, given + 1, spent + #body
beginRun(false)
runs = runs + 1
run[runs + 3], runIds[#runIds + 1], runKeys[runs] = body, id, text
end
local function give(key, tag, entry, attempts, lane, blocked)
local id, fields = entry[1], entry[2]
local count = #fields
if lane and attempts == 1 and not blocked and tag == '' and count == 4 and fields[1] == 'data' then
return giveOrdered(id, fields[2], fields[4])
end
room, given = room - 1, given + 1
endRun()
if attempts == 1 and tag == '' and fields[1] == 'data' then
if count == 2 then
spent = spent + #fields[2]
out[n + 1], out[n + 2] = id, fields[2]
n = n + 2
return
elseif count == 4 and fields[3] == 'id' then
spent = spent + #fields[2]
n = n + 1
out[n] = { id, fields[4], fields[2] }
return
elseif lane and (count == 4 or count == 6 and fields[3] == 'id') then
spent = spent + #fields[2]
n = n + 1
out[n] = { id, fields[2], fields[count], count == 6 and fields[4] or '', blocked or '' }
return
end
end
local whole = { tag .. id, blocked and attempts .. ' ' .. blocked or attempts }
for i = 1, count do
whole[i + 2] = fields[i]
spent = spent + #fields[i]
end
n = n + 1
out[n] = whole
end
local function hasRoom() return room > 0 and spent < bytes end
local function drop(key, id)
c('XACK', key, group, id)
dropped = true
end
local inTurn = {}
local function join(lane, name, head, free)
local value = c('HGET', turns, lane)
local names, waits = { namesOf(value) }, string.byte(value, 2) == WAITING
local _, max = rangeOf(lane)
local found = waits and c('ZRANGEBYLEX', lanes, '(' .. head, max, 'LIMIT', 0, together - 1) or {}
local count, open = 1, #found < together - 1
for _, member in ipairs(found) do
local id, at = partsOf(member, lane)
local key, tag = stream, ''
if string.byte(id, 1) == REPLAYED then key, tag, id = replay, 'r', string.sub(id, 2) end
local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
if not hasRoom() or at and tonumber(at) > now or held and held[2] ~= HOLD then
open = false
break
end
local entry = held and c('XCLAIM', key, group, mine, 0, id)[1]
local fields = entry and entry[2]
local over = fields and select(2, ordering(fields))
if over then drop(key, id) elseif held and not fields then c('XACK', key, group, id) end
c('ZREM', lanes, member)
if fields and not over then
names[#names + 1] = tag .. id
give(key, tag, entry, held[4] + 1, lane, blockedFor(free or now, id, held[4] + 1))
count = count + 1
end
end
c('HSET', turns, lane, '+' .. (waits and not open and '>' or '.') .. table.concat(names, ' '))
inTurn[lane] = open and count or nil
end
local lost = false
local function goOn()
if lost then findDone(g) else advance(g) end
lost = false
end
local function claim(key, tag, id, attempts, free)
local entry = c('XCLAIM', key, group, mine, 0, id)[1]
local fields = entry and entry[2]
if not fields then
c('XACK', key, group, id) -- somebody trimmed the entry away
lost = lost or ordered
return
end
local lane, over, after = detailsOf(fields)
local member = lane and memberOf(lane, tag, id, after)
if over then
drop(key, id)
if lane then leave(g, lane, tag .. id) end
elseif lane and not enter(g, lane, tag .. id, member) then
c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts - 1, 'JUSTID') -- a consumer of another kind had taken it
else
give(key, tag, entry, attempts, lane, blockedFor(free, id, attempts))
if lane and together > 1 then join(lane, tag .. id, member, free) end
end
end
local function laneUp(key, tag, id)
local entry = c('XRANGE', key, id, id)[1]
local lane = entry and detailsOf(entry[2])
local value = lane and c('HGET', turns, lane)
return value and isNamed(value, tag .. id) and lane
end
local ended = c('ZRANGEBYSCORE', leases, '-inf', int(now), 'LIMIT', 0, ENDED)
if #ended > 0 then spreadRun(turns) end
local unfinished = #ended == ENDED
for _, old in ipairs(ended) do
if not hasRoom() then break end
local empty = true
for _, s in ipairs(streams) do
local key, tag = s[1], s[2]
local held = redis.pcall('XPENDING', key, group, '-', '+', room + 1, old)
for i = 1, #held do
if not hasRoom() then break end
local id, attempts = held[i][1], held[i][4]
local lane = ordered and laneUp(key, tag, id)
if not lane then
claim(key, tag, id, attempts + 1)
elseif not backInTurn(g, key, id, 0, attempts, tag .. id, lane) then
giveBack(key, id, 0, attempts)
end
end
if not held.err and redis.pcall('XPENDING', key, group, '-', '+', 1, old)[1] then empty = false end
end
if empty then
for _, s in ipairs(streams) do redis.pcall('XGROUP', 'DELCONSUMER', s[1], group, old) end
c('ZREM', leases, old)
else
c('ZADD', leases, 0, old) -- it has ended, whatever becomes of the clock
unfinished = true
end
end
goOn()
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
if takeAgain(math.ceil(room / 2)) then
takeNext()
takeAgain(room)
else
takeNext()
end
local behind = false
local returned, opened, cut, passed, passedBytes, pause = false, false, false, 0, 0, nil
local FEW, FEWEST = 32, 2
local ENOUGH, LOOK_MS = 16, 100
local ALL = 64
local fieldsAtFirst, allFields, knowsAll, runNames, runLanes = 0, false, nil, nil, nil
local function learnFields(wanted)
for from = 1, #wanted, PART do
local values = c('HMGET', turns, unpack(wanted, from, math.min(from + PART - 1, #wanted)))
for i = 1, #values do known[wanted[from + i - 1]] = values[i] end
end
end
local function learnFromRun(wanted)
local unknown, nameAt = {}, namer(runNames)
for _, lane in ipairs(wanted) do unknown[lane] = not known[lane] or nil end
for place, lane in ipairs(runLanes) do
if unknown[lane] then known[lane] = nameAt(place) end
end
end
local function learn(wanted)
if knowsAll == nil then
allFields = fieldsAtFirst <= ALL
local fields = allFields and fieldsAtFirst > 0 and c('HGETALL', turns) or {}
for i = 1, #fields, 2 do known[fields[i]] = fields[i + 1] end
if not allFields then learnFields({ RUN_NAMES, RUN_LANES }) end
runNames = known[RUN_NAMES]
runLanes = runNames and cjson.decode(known[RUN_LANES])
knowsAll = allFields and not runNames
end
if knowsAll then return end
if not allFields then learnFields(wanted) end
if runNames then learnFromRun(wanted) end
end
local function hasEnough() return runs >= ENOUGH or c('HLEN', turns) >= ENOUGH or hasRun(turns) end
local function hold(key, ids)
if #ids == 0 then return end
local claim = { 'XCLAIM', key, group, HOLD, 0, unpack(ids) }
for _, word in ipairs({ 'RETRYCOUNT', 0, 'JUSTID' }) do claim[#claim + 1] = word end
c(unpack(claim))
end
local function openGates(max)
local found, fresh, members = c('ZRANGEBYLEX', lanes, '[g', max), {}, {}
each('ZREM', lanes, found)
for _, gate in ipairs(found) do
local _, behind = idAt(gate, 2)
local id, last = idAt(gate, behind + 2)
local lane = string.sub(gate, last + 1)
if known[lane] == nil then learn({ lane }) end
inTurn[lane] = nil
if known[lane] then
setTurn(lane, waiting(known[lane]))
members[#members + 1] = 0
members[#members + 1] = prefixOf(lane) .. string.sub(gate, 2, last)
else
setTurn(lane, 'r' .. id)
fresh[#fresh + 1] = int(now)
fresh[#fresh + 1] = 'r' .. id
opened = true
end
end
each('ZADD', lanes, members)
each('ZADD', next, fresh)
end
local function firstGate()
local gate = c('ZRANGEBYLEX', lanes, '[g', '(h', 'LIMIT', 0, 1)[1]
if not gate then return end
local _, last = idAt(gate, 2)
return string.sub(gate, 2, last)
end
local looks = false
local function putOff()
if looks or patient == '0' then return false end
local since = tonumber(c('HGET', turns, LOOK) or nil)
local left = LOOK_MS - math.max(0, now - (since or now))
looks = left <= 0
if looks or not since then c('HSET', turns, LOOK, int(now)) end
pause = not looks and left or nil
return not looks
end
local function areNext(entries, from, to)
local first, last = entries[from][1], entries[to][1]
local dash = string.find(first, '-', 1, true)
if #last - dash > 15 or string.sub(first, 1, dash) ~= string.sub(last, 1, dash) then return false end
return string.sub(last, dash + 1) - string.sub(first, dash + 1) == to - from
end
local function addNames(words, entries, from, to)
local middle = to
if not areNext(entries, from, to) then
local low, high = from, to - 1
while low < high do
local half = math.ceil((low + high) / 2)
if areNext(entries, from, half) then low = half else high = half - 1 end
end
middle = low
end
local function add(first, count)
words[#words + 1] = entries[first][1] .. (count > 1 and '*' .. count or '')
end
if middle == to or areNext(entries, middle + 1, to) then
add(from, middle - from + 1)
if middle < to then add(middle + 1, to - middle) end
else
for i = from, to do add(i, 1) end
end
end
local function giveRun(entries, i)
local known, bytes, count, from = known, bytes, #entries, i
local items, keys, at, left, size = nil, nil, 0, room, spent
while i <= count and left > 0 and size < bytes do
local id, fields = entries[i][1], entries[i][2]
local lane = fields[4]
if #fields ~= 4 or fields[3] ~= 'orderingKey' or fields[1] ~= 'data' or lane == '' or #lane > LONGEST then break end
if known[lane] then break end
if not items then
beginRun(true)
items, keys, at = run, runKeys, runs
end
local body = fields[2]
known[lane] = id
at = at + 1
items[at + 3], keys[at] = body, lane
left, size, i = left - 1, size + #body, i + 1
end
if items then
given, room, spent, runs = given + room - left, left, size, at
addNames(runIds, entries, from, i - 1)
end
return i
end
local function read(key, tag)
if ordered then fieldsAtFirst = c('HLEN', turns) end
local enough = tag == '' and ordered and (fieldsAtFirst >= ENOUGH or hasRun(turns))
local count = math.min(room, step, enough and FEWEST or FEW)
local gate = tag == '' and streams[2] and firstGate()
if asRun == '1' and enough and given > 0 and patient ~= '0' and hasRun(turns) and putOff() then
behind = true
return
end
while hasRoom() and passed < PASSED and passedBytes < bytes do
local new = redis.pcall('XREADGROUP', 'GROUP', group, mine, 'COUNT', count, 'STREAMS', key, '>')
if new and new.err then
if key ~= stream then return end
if not string.find(new.err, 'NOGROUP', 1, true) then return new end
c('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
c('DEL', settled, lanes, turns, next) -- whatever is kept, this group has not settled it, and has nothing in hand
fieldsAtFirst = 0
new = c('XREADGROUP', 'GROUP', group, mine, 'COUNT', count, 'STREAMS', key, '>')
end
local entries = new and new[1][2] or {}
local held, members, before = {}, {}, given
local simple = together == 1 and tag == '' and not gate
local i = 1
if ordered and knowsAll == nil and #entries > 0 then learn({}) end
if simple and (knowsAll or not ordered) then i = giveRun(entries, i) end
local lanesOf, details, wanted, unknown = {}, {}, {}, i - 1
local known = known
for i = i, #entries do
local fields, lane, over, after = entries[i][2], nil, nil, nil
local count = #fields
if count == 4 and fields[3] == 'orderingKey' and fields[1] == 'data' and fields[4] ~= '' and #fields[4] <= LONGEST then
lane = fields[4]
elseif count > 2 then
lane, over, after = detailsOf(fields)
if lane or over then details[i] = { over, after } end
end
lanesOf[i] = lane or false
if lane and known[lane] == nil then
known[lane] = false
unknown = unknown + 1
wanted[#wanted + 1] = lane
end
end
if ordered and #wanted > 0 then learn(wanted) end
while i <= #entries do
local entry, lane, over, after = entries[i], lanesOf[i], nil, nil
local id = entry[1]
if details[i] then over, after = unpack(details[i], 1, 2) end
if simple and lane and not known[lane] and not details[i] and room > 0 and spent < bytes then
i = giveRun(entries, i) - 1 -- the last of them
elseif over then
drop(key, id)
elseif not lane then
if hasRoom() then
give(key, tag, entry, 1)
else
giveBack(key, id, 0, 0)
returned = true
end
elseif tag == 'r' then
held[#held + 1] = id
members[#members + 1] = 0
members[#members + 1] = gateOf(lane, id, after)
else
if gate and gate < placeOf(id) then
openGates('(g' .. placeOf(id))
gate = firstGate()
end
local value, turn = known[lane], together > 1 and inTurn[lane]
local joins = turn and turn < together and hasRoom()
if value and not joins then
inTurn[lane] = nil
held[#held + 1] = id
members[#members + 1] = 0
members[#members + 1] = memberOf(lane, tag, id)
if string.byte(value, 2) ~= WAITING then setTurn(lane, waiting(value)) end
passedBytes = passedBytes + #entry[2][2]
else
setTurn(lane, value and value .. ' ' .. id or together > 1 and '+.' .. id or id)
local fields = entry[2]
if room > 0 and spent < bytes then
if together > 1 then inTurn[lane] = (turn or 0) + 1 end
if fields[4] == lane and #fields == 4 and fields[1] == 'data' then
giveOrdered(id, fields[2], fields[4])
else
give(key, tag, entry, 1, lane)
end
else
giveBack(key, id, 0, 0)
returned = true
end
end
end
i = i + 1
end
hold(key, held)
each('ZADD', lanes, members)
saveTurns()
passed = passed + #held
if #entries < count then
if gate then openGates('(h') end
saveTurns()
return
end
if #held > 0 and hasEnough() and (given > 0 or putOff()) then break end
if given == before then
count = math.max(count, math.min(PASSED_AT_ONCE, count * 2))
elseif unknown > 0 then
count = math.min(room, 2 * FEW)
else
count = room
end
if room == 0 and patient ~= '0' and detailsOf(entries[#entries][2]) and hasEnough() then
local after = c('XRANGE', key, '(' .. entries[#entries][1], '+', 'COUNT', 1)[1]
local lane = after and detailsOf(after[2])
behind = lane and known[lane] and true or false
end
local seen, size = given + passed, math.max(1, spent + passedBytes)
if seen > 0 then count = math.max(1, math.min(count, math.floor((bytes - spent) * seen / size))) end
end
cut = true
end
local refused = streams[2] and read(replay, 'r') or read(stream, '')
if refused then return refused end
if opened then
ordered = true -- the group may have had none before this call
takeNext()
end
if returned or expiryFreed or freed and not hasRoom() then wakeReaders(wake, channel) end
endRun()
local wait = unfinished and -2 or pause or cut and -2 or dropped and 0 or -1
if n > 1 then
c('ZADD', leases, int(from(leaseMs)), mine)
if registered ~= '1' then keepLeases(leaseMs) end
if behind then out[n + 1] = -3 end
if patient ~= '2' or wait ~= -1 or not hasRoom() then return out end
end
for _, key in ipairs((wait == -1 or wait == pause) and { delayed, leases, again } or {}) do
local first = c('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
if first then
local left = math.max(0, tonumber(first) - now)
if wait < 0 or left < wait then wait = left end
end
end
if n > 1 then
out[n + 1] = wait
return out
end
local function last(key)
local entry = c('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
return entry and entry[1] or '0-0'
end
return { now, wait, last(stream), last(wake) }
end)()`,
};

/** Puts dead letters back, for this group alone. */
export const REPLAY: Script = {
  name: "replay",
  keys: ["stream", "dead", "replay", "wake", "delayed", "expiring"],
  repeatable: false,
  publishes: false,
  sha: "6d874fa889994d4b7e8d7faf68b3383085de5967",
  source: `local stream, dead, replay, wake, delayed, expiring = unpack(KEYS, 1, 6)
local group, channel, limit = unpack(ARGV, 1, 3)
local taken = 3
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
local ids = { unpack(ARGV, taken + 1, math.min(#ARGV, taken + tonumber(limit))) }
if #ARGV == taken then
for _, entry in ipairs(c('XRANGE', dead, '-', '+', 'COUNT', limit)) do ids[#ids + 1] = entry[1] end
end
local function forget(key) if c('XLEN', key) == 0 then c('DEL', key) end end
local FIELDS = 2000
local function withFields(command, fields)
if #fields > FIELDS then
command[#command + 1] = 'fields'
command[#command + 1] = cjson.encode(fields)
return command
end
for _, text in ipairs(fields) do command[#command + 1] = text end
return command
end
return (function()
local function wakeReaders(key, channel)
c('XADD', key, 'MAXLEN', '1', '*', 'w', '')
c('PEXPIRE', key, 120000)
tell(channel)
end
local function pack(order, expires, id, headers, body, key)
local lengths = #id .. '|' .. #headers .. (key == '' and '' or ':' .. #key)
return order .. '|' .. int(now) .. '|' .. expires .. '|' .. lengths .. '|' .. id .. headers .. key .. body
end
local function unpacked(packed)
local at, expires, nid, nheaders, nkey, start = string.match(packed, '^%d+|(%d+)|(%d*)|(%d+)|(%d+):?(%d*)|()')
local headers = start + nid
local key = headers + nheaders
local body = key + (tonumber(nkey) or 0)
return at, expires, string.sub(packed, start, headers - 1), string.sub(packed, headers, key - 1),
string.sub(packed, body), string.sub(packed, key, body - 1)
end
local function put(at, expires, id, headers, body, key)
local entry = { 'XADD', stream, '*', 'data', body }
local function with(name, value)
if value ~= '' then
entry[#entry + 1] = name
entry[#entry + 1] = value
end
end
with('id', id)
with('orderingKey', key)
with('headers', headers)
with('at', at)
with('expires', expires)
local added = c(unpack(entry))
if expires ~= '' then c('ZADD', expiring, expires, added) end
return added
end
local function dueNow(most) return c('ZRANGEBYSCORE', delayed, '-inf', int(now), 'LIMIT', 0, most) end
local function moveIn(due)
for _, packed in ipairs(due) do
local at, expires, id, headers, body, key = unpacked(packed)
if expires == '' or tonumber(expires) > now then put(at, expires, id, headers, body, key) end
c('ZREM', delayed, packed)
end
end
local OWN = 10
local MOVED = 500
local due = dueNow(MOVED)
moveIn(due)
if #due == MOVED then return -1 end
local count, last = 0, nil
local function lastId()
local about = redis.pcall('XINFO', 'STREAM', stream)
for i = 1, about.err and 0 or #about, 2 do
if about[i] == 'last-generated-id' then return about[i + 1] end
end
return '0-0'
end
for _, id in ipairs(ids) do
local entry = c('XRANGE', dead, id, id)[1]
if entry then
if count == 0 then redis.pcall('XGROUP', 'CREATE', replay, group, '0', 'MKSTREAM') end
local letter, has, fields = entry[2], {}, {}
local origin = string.match(letter[8], '^r?(.*)$')
for i = OWN + 1, #letter, 2 do has[letter[i]] = true end
local ordered = has['orderingKey']
for i = OWN + 1, #letter, 2 do
if letter[i] ~= 'expires' and not (ordered and letter[i] == 'after') then
fields[#fields + 1] = letter[i]
fields[#fields + 1] = letter[i + 1]
end
end
local whole = { 'XADD', replay, '*' }
local function with(name, value)
fields[#fields + 1] = name
fields[#fields + 1] = value
end
if not has['id'] then with('id', origin) end
if not has['at'] then with('at', string.match(origin, '^%d+')) end
if ordered then
last = last or lastId()
with('after', last)
end
c(unpack(withFields(whole, fields)))
c('XDEL', dead, id)
count = count + 1
end
end
forget(dead)
if count > 0 then wakeReaders(wake, channel) end
return count
end)()`,
};

/** Publishes messages with ids, headers, delays, times to live, or a bound on the queue. */
export const SEND: Script = {
  name: "send",
  keys: ["stream", "sent", "delayed", "ids", "expiring", "wake", "settled"],
  repeatable: false,
  publishes: true,
  sha: "bd9ed1d7e9b1d40275f325cbcd2dd9ed1b31697a",
  source: `local stream, sent, delayed, ids, expiring, wake, settled = unpack(KEYS, 1, 7)
local token, slot, channel, remember, limit, overflow, window, keep,
trimming, ordered = unpack(ARGV, 1, 10)
local taken = 10
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
local REPEATED = 'repeated'
local function answered(value, token)
local mark = token .. '|'
return value and string.sub(value, 1, #mark) == mark and string.match(value, '^[^|]*', #mark + 1)
end
local function isAmong(ids, id)
if id == '' then return false end
local n = tonumber(id, 36)
for first, last in string.gmatch(ids, '(%w+):?(%w*)') do
if first == id or last ~= '' and tonumber(first, 36) <= n and n <= tonumber(last, 36) then return true end
end
return false
end
local function sortable(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end
local function plain(text)
local ms, seq = string.match(text, '^0*(%d+)-0*(%d+)$')
return ms .. '-' .. seq
end
local function isBefore(a, b)
if #a == #b and string.find(a, '-', 1, true) == string.find(b, '-', 1, true) then return a < b end
return sortable(a) < sortable(b)
end
local HOLD = 'given-back'
local function left() return taken < #ARGV end
local function take(count)
local first = taken + 1
taken = taken + count
return unpack(ARGV, first, taken)
end
return (function()
local function wakeReaders(key, channel)
c('XADD', key, 'MAXLEN', '1', '*', 'w', '')
c('PEXPIRE', key, 120000)
tell(channel)
end
local function pack(order, expires, id, headers, body, key)
local lengths = #id .. '|' .. #headers .. (key == '' and '' or ':' .. #key)
return order .. '|' .. int(now) .. '|' .. expires .. '|' .. lengths .. '|' .. id .. headers .. key .. body
end
local function unpacked(packed)
local at, expires, nid, nheaders, nkey, start = string.match(packed, '^%d+|(%d+)|(%d*)|(%d+)|(%d+):?(%d*)|()')
local headers = start + nid
local key = headers + nheaders
local body = key + (tonumber(nkey) or 0)
return at, expires, string.sub(packed, start, headers - 1), string.sub(packed, headers, key - 1),
string.sub(packed, body), string.sub(packed, key, body - 1)
end
local function put(at, expires, id, headers, body, key)
local entry = { 'XADD', stream, '*', 'data', body }
local function with(name, value)
if value ~= '' then
entry[#entry + 1] = name
entry[#entry + 1] = value
end
end
with('id', id)
with('orderingKey', key)
with('headers', headers)
with('at', at)
with('expires', expires)
local added = c(unpack(entry))
if expires ~= '' then c('ZADD', expiring, expires, added) end
return added
end
local function dueNow(most) return c('ZRANGEBYSCORE', delayed, '-inf', int(now), 'LIMIT', 0, most) end
local function moveIn(due)
for _, packed in ipairs(due) do
local at, expires, id, headers, body, key = unpacked(packed)
if expires == '' or tonumber(expires) > now then put(at, expires, id, headers, body, key) end
c('ZREM', delayed, packed)
end
end
local function groupsOf(stream)
local groups = redis.pcall('XINFO', 'GROUPS', stream)
if groups.err then return {} end
for g, fields in ipairs(groups) do
local is = {}
for i = 1, #fields, 2 do is[fields[i]] = fields[i + 1] end
is.last = is['last-delivered-id']
is.read = sortable(is.last)
groups[g] = is
end
return groups
end
local function frontOf(stream, groups)
local first, behind, mark
for _, is in ipairs(groups) do
local oldest = is.pending > 0 and c('XPENDING', stream, is.name, '-', '+', 1)[1]
local id = oldest and oldest[1] or is.last
local place = oldest and sortable(id) or is.read .. '+'
if not mark or place < mark then first, behind, mark = id, not oldest, place end
end
return first, behind
end
local function neededBy(stream, groups, id, mine)
local place = sortable(id)
for _, is in ipairs(groups) do
if is.name ~= mine then
if place > is.read then return true end
if is.pending > 0 and c('XPENDING', stream, is.name, id, id, 1)[1] then return true end
end
end
return false
end
local PART = 1000
local function each(command, key, items)
for i = 1, #items, PART do c(command, key, unpack(items, i, math.min(i + PART - 1, #items))) end
end
local function forgetExpiring(ids)
if c('EXISTS', expiring) == 1 then each('ZREM', expiring, ids) end
end
local function removeEntries(ids)
each('XDEL', stream, ids)
forgetExpiring(ids)
end
local function keptSettled()
local first = c('ZRANGE', settled, 0, 0)[1]
if not first then return 0 end
return c('ZCARD', settled) - (string.sub(first, 1, 1) == '>' and 1 or 0)
end
local function after(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return #seq < 16 and ms .. '-' .. int(seq + 1) or id
end
local function keepNewest(groups, ids, front, behind, keep)
local mark = c('ZRANGE', settled, 0, 0)[1]
local marked = mark and string.sub(mark, 1, 1) == '>' and string.sub(mark, 2)
local function add(id) c('ZADD', settled, string.match(id, '^%d+'), id) end
for _, id in ipairs(ids) do
if c('XRANGE', stream, id, id)[1] then add(id) end
end
if front then
local upTo = behind and front or '(' .. front
local seen = c('XRANGE', stream, marked and '(' .. marked or '-', upTo, 'COUNT', PART)
for _, entry in ipairs(seen) do add(entry[1]) end
local reached = #seen > 0 and seen[#seen][1] or marked or '0-0'
if marked then c('ZREM', settled, mark) end
c('ZADD', settled, '-inf', '>' .. reached)
marked = reached
end
local from = marked and 1 or 0
local over = c('ZCARD', settled) - from - keep
if over <= 0 then return end
local old = c('ZRANGE', settled, from, from + math.min(over, PART) - 1)
for _, id in ipairs(old) do
if neededBy(stream, groups, id) then return c('DEL', settled) end
end
removeEntries(old)
c('ZREM', settled, unpack(old))
end
local function discard(groups, ids, mine, keep)
local front, behind = frontOf(stream, groups)
if keep == 0 and #groups == 1 and #ids > 0 then
c('DEL', settled)
if c('XTRIM', stream, 'MINID', behind and after(front) or front) ~= #ids then return removeEntries(ids) end
return forgetExpiring(ids)
end
local rest, passed = {}, {}
for _, id in ipairs(ids) do
if front and (isBefore(id, front) or behind and id == front) then
passed[#passed + 1] = id
elseif not neededBy(stream, groups, id, mine) then rest[#rest + 1] = id end
end
if keep > 0 then return keepNewest(groups, rest, front, behind, keep) end
c('DEL', settled)
if front then c('XTRIM', stream, 'MINID', behind and after(front) or front) end
removeEntries(rest)
forgetExpiring(passed)
end
local LONGEST = 60
local freed = false
local function laneOf(text)
return #text <= LONGEST and text or redis.sha1hex(text) .. string.rep('#', LONGEST - 39)
end
local function ordering(fields)
local lane, over, after
for i = 1, #fields, 2 do
local name = fields[i]
if name == 'orderingKey' then
if lane == nil then lane = fields[i + 1] ~= '' and laneOf(fields[i + 1]) end
elseif name == 'expires' then
if over == nil then over = (tonumber(fields[i + 1]) or math.huge) <= now end
elseif name == 'after' then
after = after or string.match(fields[i + 1], '^%d+-%d+$')
end
end
return lane, over, after
end
local function placeOf(id)
local dash = string.find(id, '-', 1, true)
return string.char(64 + dash) .. string.sub(id, 1, dash) .. string.char(64 + #id - dash) .. string.sub(id, dash + 1)
end
local function idAt(text, from)
local dash = from + string.byte(text, from) - 64
local last = dash + 1 + string.byte(text, dash + 1) - 64
return string.sub(text, from + 1, dash) .. string.sub(text, dash + 2, last), last
end
local function replayedPlace(id, after) return placeOf(after or '0-0') .. 'r' .. placeOf(id) end
local function prefixOf(lane) return string.char(#lane) .. lane end
local function memberOf(lane, tag, id, after)
if tag == '' then return prefixOf(lane) .. placeOf(id) end
return prefixOf(lane) .. replayedPlace(id, after)
end
local function gateOf(lane, id, after) return 'g' .. replayedPlace(id, after) .. lane end
local REPLAYED = string.byte('r')
local function partsOf(member, lane)
local name, last = idAt(member, #lane + 2)
if string.byte(member, last + 1) == REPLAYED then
name, last = idAt(member, last + 2)
name = 'r' .. name
end
return name, last < #member and string.sub(member, last + 2) or nil
end
local function rangeOf(lane)
local prefix = prefixOf(lane)
return '[' .. prefix, '(' .. prefix .. 'Z'
end
local function groupOf(name, lanes, turns, again, next)
return { name = name, lanes = lanes, turns = turns, again = again, next = next, gone = {}, idle = {}, left = false }
end
local ALONE, TOGETHER, WAITING = string.byte('|+>', 1, 3)
local LOOK = 'looklooklooklooklooklooklooklooklooklooklooklooklooklooklooklook'
local function namesOf(value)
local mark = string.byte(value)
return (mark == ALONE or mark == TOGETHER) and string.sub(value, 3) or value
end
local function isNamed(value, name)
return value == name or string.find(' ' .. namesOf(value) .. ' ', ' ' .. name .. ' ', 1, true) ~= nil
end
local function waiting(value)
if string.byte(value, 2) == WAITING then return value end
return (string.byte(value) == TOGETHER and '+>' or '|>') .. namesOf(value)
end
local function leave(g, lane, name)
local gone = g.gone[lane]
g.gone[lane] = gone and gone .. ' ' .. name or name
end
local function without(names, gone)
if names == gone then return '' end
local rest = {}
gone = ' ' .. gone .. ' '
for name in string.gmatch(names, '%S+') do
if not string.find(gone, ' ' .. name .. ' ', 1, true) then rest[#rest + 1] = name end
end
return table.concat(rest, ' ')
end
local function sortableName(name)
return string.byte(name) == REPLAYED and 'r' .. sortable(string.sub(name, 2)) or sortable(name)
end
local function advance(g)
local some, idle, turns, up, due, fresh = {}, g.idle, {}, {}, {}, {}
local function comesUp(lane)
local min, max = rangeOf(lane)
local first, second = unpack(c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, 2))
if not first then return end
local name, at = partsOf(first, lane)
local list = at and due or fresh
list[#list + 1] = at or int(now)
list[#list + 1] = at and sortableName(name) or name
up[#up + 1] = first
return second and '|>' .. name or name
end
local function go(lane, value)
local names = namesOf(value)
local rest = without(names, g.gone[lane])
if rest == names then return end
local left = rest ~= '' and string.sub(value, 1, 2) .. rest or string.byte(value, 2) == WAITING and comesUp(lane)
if left then
turns[#turns + 1] = lane
turns[#turns + 1] = left
else
idle[#idle + 1] = lane
end
end
for lane in pairs(g.gone) do some[#some + 1] = lane end
for from = 1, #some, PART do
local values = c('HMGET', g.turns, unpack(some, from, math.min(from + PART - 1, #some)))
for i = 1, #values do
if values[i] then go(some[from + i - 1], values[i]) end
end
end
local left = g.left or #idle > 0
g.gone, g.idle, g.left = {}, {}, false
each('HDEL', g.turns, idle)
each('HSET', g.turns, turns)
each('ZREM', g.lanes, up)
each('ZADD', g.again, due)
each('ZADD', g.next, fresh)
freed = freed or #up > 0 or left and c('HDEL', g.turns, LOOK) == 1
return #up
end
local function orderedGroups(groups)
local found = {}
for _, is in ipairs(groups) do
local prefix = string.sub(expiring, 1, -#'expiring' - 1) .. 'group:' .. is.name .. ':'
if is.pending > 0 and redis.pcall('EXISTS', prefix .. 'turns') == 1 then
found[#found + 1] = groupOf(is.name, prefix .. 'lanes', prefix .. 'turns', prefix .. 'again', prefix .. 'next')
end
end
return found
end
local function goneFrom(ordered, id)
local entry = #ordered > 0 and c('XRANGE', stream, id, id)[1]
local lane = entry and ordering(entry[2])
if not lane then return end
local member = memberOf(lane, '', id)
for _, g in ipairs(ordered) do
local row = c('XPENDING', stream, g.name, id, id, 1)[1]
if not row or row[2] == HOLD then
local value = c('HGET', g.turns, lane)
if value and isNamed(value, id) then
leave(g, lane, id)
else
each('ZREM', g.lanes, c('ZRANGEBYLEX', g.lanes, '[' .. member, '(' .. member .. 'A', 'LIMIT', 0, 1))
end
if row then c('XACK', stream, g.name, id) end
c('ZREM', g.again, sortable(id))
c('ZREM', g.next, id)
end
end
end
local function advanceAll(ordered)
for _, g in ipairs(ordered) do advance(g) end
end
local function expire(most)
local over = c('ZRANGEBYSCORE', expiring, '-inf', int(now), 'LIMIT', 0, most)
if #over == 0 then return end
local groups = groupsOf(stream)
local ordered = orderedGroups(groups)
local helpers = string.sub(expiring, 1, -#'expiring' - 1) .. 'group:'
local function inHandUntil(group, consumer, idle)
if consumer == HOLD then return 0 end
if string.sub(consumer, 1, 6) ~= 'lease:' then return idle < 3600000 and now + 60000 or 0 end
local ends = redis.pcall('ZSCORE', helpers .. group .. ':leases', consumer)
if type(ends) == 'table' then return ends.err and now + 60000 or 0 end
return ends and tonumber(ends) > now and tonumber(ends) or 0
end
local gone = {}
for _, id in ipairs(over) do
local holders, held = {}, 0
for _, is in ipairs(groups) do
local row = is.pending > 0 and c('XPENDING', stream, is.name, id, id, 1)[1]
if row then
holders[#holders + 1] = is.name
held = math.max(held, inHandUntil(is.name, row[2], row[3]))
end
end
if held > 0 then
c('ZADD', expiring, int(held), id) -- to be inspected again
else
for _, name in ipairs(holders) do
c('XACK', stream, name, id)
redis.pcall('ZREM', helpers .. name .. ':again', sortable(id))
end
goneFrom(ordered, id)
gone[#gone + 1] = id
end
end
advanceAll(ordered)
removeEntries(gone)
if #gone > 0 and c('EXISTS', settled) == 1 then c('ZREM', settled, unpack(gone)) end
end
local MOVED = 500
local before = answered(c('HGET', sent, slot), token)
if before then return before end
limit, window, keep = tonumber(limit), tonumber(window), tonumber(keep)
local function count() return c('XLEN', stream) - keptSettled() + c('ZCARD', delayed) end
local used = count() -- refuses a key of another type before anything is written
if ordered == '1' then
local due = dueNow(MOVED)
moveIn(due)
if #due == MOVED then return '~' end
end
local late = c('HGET', sent, REPEATED) or ''
local function expireDelayed(most)
for _, packed in ipairs(c('ZRANGEBYSCORE', delayed, '-inf', int(now), 'LIMIT', 0, most)) do
local _, expires = unpacked(packed)
if expires ~= '' and tonumber(expires) <= now then c('ZREM', delayed, packed) end
end
end
local function discardAmid(groups, most)
local found, strangers = {}, false
for _, is in ipairs(groups) do
for _, consumer in ipairs(c('XINFO', 'CONSUMERS', stream, is.name)) do
strangers = strangers or consumer[2] ~= HOLD and string.sub(consumer[2], 1, 6) ~= 'lease:'
end
end
if not strangers then return end
for _, entry in ipairs(c('XRANGE', stream, '-', '+', 'COUNT', most)) do
if not neededBy(stream, groups, entry[1]) then found[#found + 1] = entry[1] end
end
discard(groups, found, nil, keep)
end
local function cleanUp(most)
expire(most)
expireDelayed(most)
if keep > 0 or c('EXISTS', settled) == 0 then discard(groupsOf(stream), {}, nil, keep) end
end
if trimming == '1' then
cleanUp(1000)
else
expire(20)
expireDelayed(20)
end
local brought = {}
local function hasBrought(key, own)
if not brought[key] then brought[key] = c('HVALS', key) end
for _, value in ipairs(brought[key]) do
local made = string.match(value, '|([^|]*)$')
if made and isAmong(made, own) then return true end
end
return false
end
for _, old in ipairs(c('ZRANGEBYSCORE', ids, '-inf', int(now), 'LIMIT', 0, #ARGV)) do c('ZREM', ids, old) end
local words, added, cleared, later, chosen = {}, {}, false, false, false
while left() do
local body, id, headers, delay, ttl, own, origin, key = take(8)
local mark, name = string.sub(id, 1, 1), string.sub(id, 2)
local word
if mark == '=' then
local known = c('ZSCORE', ids, name)
if known and tonumber(known) > now then word = '=' end
if not word and origin ~= '' and hasBrought(KEYS[tonumber(origin)], own) then word = '=' end
elseif late ~= '' and isAmong(late, own) then
word = '='
end
if not word and limit > 0 and overflow == 'reject' and used >= limit then
if not cleared then
cleared = true
cleanUp(1000)
if count() >= limit then discardAmid(groupsOf(stream), 1000) end
used = count()
end
if used >= limit then word = '!' end
end
if not word then
if mark == '=' then
c('ZADD', ids, int(now + window), name)
chosen = true
if origin ~= '' then
local publisher = KEYS[tonumber(origin)]
c('HSET', publisher, REPEATED, (c('HGET', publisher, REPEATED) or '') .. ' ' .. own)
if c('PTTL', publisher) < window then c('PEXPIRE', publisher, int(window)) end
end
else
added[#added + 1] = own
end
local expires = ttl == '' and '' or int(from(ttl))
if delay == '0' then
word = put('', expires, name, headers, body, key)
else
local order = string.format('%016.0f%06d', clock[1] * 1000000 + clock[2], #words)
c('ZADD', delayed, int(from(delay)), pack(order, expires, name, headers, body, key))
word, later = '+', true
end
used = used + 1
end
words[#words + 1] = word
end
if chosen and c('PTTL', ids) < window then c('PEXPIRE', ids, int(window)) end
local function dropOldest(from, ordered)
local packed = c('ZRANGE', delayed, 0, 0)[1]
local sentAt = packed and tonumber((unpacked(packed)))
local entry
repeat
entry = c('XRANGE', stream, from, '+', 'COUNT', 1)[1]
from = entry and '(' .. entry[1]
until not entry or not c('ZSCORE', settled, entry[1])
if packed and (not entry or sentAt <= tonumber(string.match(entry[1], '^%d+'))) then
c('ZREM', delayed, packed)
elseif entry then
goneFrom(ordered, entry[1])
removeEntries({ entry[1] })
return from
end
return entry and entry[1] or '-'
end
if limit > 0 and overflow == 'drop' and used > limit then
local from, groups = '-', orderedGroups(groupsOf(stream))
for _ = 1, count() - limit do from = dropOldest(from, groups) end
advanceAll(groups)
end
local answer = table.concat(words, ' ')
c('HSET', sent, slot, token .. '|' .. answer .. '|' .. table.concat(added, ' '))
if remember ~= '' then c('PEXPIRE', sent, remember) end
if later or freed then wakeReaders(wake, channel) else tell(channel) end
return answer
end)()`,
};

/** Publishes messages that have a body, and some of them an ordering key, and nothing else. */
export const SEND_ORDERED: Script = {
  name: "send_ordered",
  keys: ["stream", "sent", "delayed"],
  repeatable: false,
  publishes: true,
  sha: "3355b03ae30bf2095be0433048b56e6032874b6b",
  source: `local stream, sent, delayed = unpack(KEYS, 1, 3)
local token, slot, channel, made, remember, keys = unpack(ARGV, 1, 6)
local taken = 6
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local REPEATED = 'repeated'
local function answered(value, token)
local mark = token .. '|'
return value and string.sub(value, 1, #mark) == mark and string.match(value, '^[^|]*', #mark + 1)
end
local function isAmong(ids, id)
if id == '' then return false end
local n = tonumber(id, 36)
for first, last in string.gmatch(ids, '(%w+):?(%w*)') do
if first == id or last ~= '' and tonumber(first, 36) <= n and n <= tonumber(last, 36) then return true end
end
return false
end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
return (function()
local call = redis.call
local function earlier()
local known = call('HMGET', sent, slot, REPEATED)
local before = answered(known[1], token)
if before then return before end
for id in string.gmatch(known[2] or '', '%w+') do if isAmong(made, id) then return '?' end end
end
local function runsOf(ids)
local runs, i, last = {}, 1, #ids
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
return table.concat(runs, ' ')
end
local function finish(ids)
local answer = #ids == 1 and ids[1] .. '*1' or runsOf(ids)
call('HSET', sent, slot, token .. '|' .. answer .. '|' .. made)
if remember ~= '' then call('PEXPIRE', sent, remember) end
tell(channel)
return answer
end
local before = earlier()
if before then return before end
if c('ZCOUNT', delayed, '-inf', int(now)) > 0 then return '?' end
local ids, args, texts = {}, ARGV, cjson.decode(keys)
for n = 1, #texts do
local body, key = args[taken + n], texts[n]
ids[n] = key == '' and c('XADD', stream, '*', 'data', body) or c('XADD', stream, '*', 'data', body, 'orderingKey', key)
end
return finish(ids)
end)()`,
};

/** Publishes messages that have a body and nothing else. */
export const SEND_PLAIN: Script = {
  name: "send_plain",
  keys: ["stream", "sent"],
  repeatable: false,
  publishes: true,
  sha: "0044b57d0d0e3f94a9b9541e5d83f909c38a0fc3",
  source: `local stream, sent = unpack(KEYS, 1, 2)
local token, slot, channel, made, remember = unpack(ARGV, 1, 5)
local taken = 5
local REPEATED = 'repeated'
local function answered(value, token)
local mark = token .. '|'
return value and string.sub(value, 1, #mark) == mark and string.match(value, '^[^|]*', #mark + 1)
end
local function isAmong(ids, id)
if id == '' then return false end
local n = tonumber(id, 36)
for first, last in string.gmatch(ids, '(%w+):?(%w*)') do
if first == id or last ~= '' and tonumber(first, 36) <= n and n <= tonumber(last, 36) then return true end
end
return false
end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
return (function()
local call = redis.call
local function earlier()
local known = call('HMGET', sent, slot, REPEATED)
local before = answered(known[1], token)
if before then return before end
for id in string.gmatch(known[2] or '', '%w+') do if isAmong(made, id) then return '?' end end
end
local function runsOf(ids)
local runs, i, last = {}, 1, #ids
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
return table.concat(runs, ' ')
end
local function finish(ids)
local answer = #ids == 1 and ids[1] .. '*1' or runsOf(ids)
call('HSET', sent, slot, token .. '|' .. answer .. '|' .. made)
if remember ~= '' then call('PEXPIRE', sent, remember) end
tell(channel)
return answer
end
local before = earlier()
if before then return before end
local ids = {}
for n = 1, #ARGV - taken do ids[n] = call('XADD', stream, '*', 'data', ARGV[taken + n]) end
return finish(ids)
end)()`,
};

/** Settles deliveries. */
export const SETTLE: Script = {
  name: "settle",
  keys: ["stream", "wake", "leases", "again", "replay", "dead", "expiring", "settled", "lanes", "turns", "next"],
  repeatable: false,
  publishes: false,
  sha: "5fd3739aba5aa3b34b44d9132a4f821fd269e258",
  source: `local stream, wake, leases, again, replay, dead, expiring, settled,
lanes, turns, next = unpack(KEYS, 1, 11)
local group, channel, keep = unpack(ARGV, 1, 3)
local taken = 3
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
local HOLD = 'given-back'
local function sortable(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end
local function plain(text)
local ms, seq = string.match(text, '^0*(%d+)-0*(%d+)$')
return ms .. '-' .. seq
end
local function isBefore(a, b)
if #a == #b and string.find(a, '-', 1, true) == string.find(b, '-', 1, true) then return a < b end
return sortable(a) < sortable(b)
end
local lease, otherLease, valid
local function under(name, other)
lease, otherLease = name, other
local ends = c('ZSCORE', leases, name)
valid = ends and tonumber(ends) > now
end
local function place(member)
if string.sub(member, 1, 1) == 'r' then return replay, string.sub(member, 2) end
return stream, member
end
local function owned(key, id)
local row = redis.pcall('XPENDING', key, group, id, id, 1)[1]
local holder = row and row[2]
return row and (holder == lease or otherLease ~= '' and holder == otherLease) and row[4]
end
local FIELDS = 2000
local function withFields(command, fields)
if #fields > FIELDS then
command[#command + 1] = 'fields'
command[#command + 1] = cjson.encode(fields)
return command
end
for _, text in ipairs(fields) do command[#command + 1] = text end
return command
end
local function left() return taken < #ARGV end
local function take(count)
local first = taken + 1
taken = taken + count
return unpack(ARGV, first, taken)
end
return (function()
local function makeRoom(key) c('ZREM', key, '') end
local function isFull(key)
local refused = redis.pcall('ZADD', key, 'XX', 0, '')
return type(refused) == 'table' and refused.err and string.find(refused.err, 'OOM', 1, true) ~= nil
end
local function wakeReaders(key, channel)
c('XADD', key, 'MAXLEN', '1', '*', 'w', '')
c('PEXPIRE', key, 120000)
tell(channel)
end
local function giveBack(key, id, due, attempts)
c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
c('ZADD', again, due, (key == replay and 'r' or '') .. sortable(id))
end
local function groupsOf(stream)
local groups = redis.pcall('XINFO', 'GROUPS', stream)
if groups.err then return {} end
for g, fields in ipairs(groups) do
local is = {}
for i = 1, #fields, 2 do is[fields[i]] = fields[i + 1] end
is.last = is['last-delivered-id']
is.read = sortable(is.last)
groups[g] = is
end
return groups
end
local function frontOf(stream, groups)
local first, behind, mark
for _, is in ipairs(groups) do
local oldest = is.pending > 0 and c('XPENDING', stream, is.name, '-', '+', 1)[1]
local id = oldest and oldest[1] or is.last
local place = oldest and sortable(id) or is.read .. '+'
if not mark or place < mark then first, behind, mark = id, not oldest, place end
end
return first, behind
end
local function neededBy(stream, groups, id, mine)
local place = sortable(id)
for _, is in ipairs(groups) do
if is.name ~= mine then
if place > is.read then return true end
if is.pending > 0 and c('XPENDING', stream, is.name, id, id, 1)[1] then return true end
end
end
return false
end
local PART = 1000
local function each(command, key, items)
for i = 1, #items, PART do c(command, key, unpack(items, i, math.min(i + PART - 1, #items))) end
end
local function forgetExpiring(ids)
if c('EXISTS', expiring) == 1 then each('ZREM', expiring, ids) end
end
local function removeEntries(ids)
each('XDEL', stream, ids)
forgetExpiring(ids)
end
local function keptSettled()
local first = c('ZRANGE', settled, 0, 0)[1]
if not first then return 0 end
return c('ZCARD', settled) - (string.sub(first, 1, 1) == '>' and 1 or 0)
end
local function after(id)
local ms, seq = string.match(id, '^(%d+)-(%d+)$')
return #seq < 16 and ms .. '-' .. int(seq + 1) or id
end
local function keepNewest(groups, ids, front, behind, keep)
local mark = c('ZRANGE', settled, 0, 0)[1]
local marked = mark and string.sub(mark, 1, 1) == '>' and string.sub(mark, 2)
local function add(id) c('ZADD', settled, string.match(id, '^%d+'), id) end
for _, id in ipairs(ids) do
if c('XRANGE', stream, id, id)[1] then add(id) end
end
if front then
local upTo = behind and front or '(' .. front
local seen = c('XRANGE', stream, marked and '(' .. marked or '-', upTo, 'COUNT', PART)
for _, entry in ipairs(seen) do add(entry[1]) end
local reached = #seen > 0 and seen[#seen][1] or marked or '0-0'
if marked then c('ZREM', settled, mark) end
c('ZADD', settled, '-inf', '>' .. reached)
marked = reached
end
local from = marked and 1 or 0
local over = c('ZCARD', settled) - from - keep
if over <= 0 then return end
local old = c('ZRANGE', settled, from, from + math.min(over, PART) - 1)
for _, id in ipairs(old) do
if neededBy(stream, groups, id) then return c('DEL', settled) end
end
removeEntries(old)
c('ZREM', settled, unpack(old))
end
local function discard(groups, ids, mine, keep)
local front, behind = frontOf(stream, groups)
if keep == 0 and #groups == 1 and #ids > 0 then
c('DEL', settled)
if c('XTRIM', stream, 'MINID', behind and after(front) or front) ~= #ids then return removeEntries(ids) end
return forgetExpiring(ids)
end
local rest, passed = {}, {}
for _, id in ipairs(ids) do
if front and (isBefore(id, front) or behind and id == front) then
passed[#passed + 1] = id
elseif not neededBy(stream, groups, id, mine) then rest[#rest + 1] = id end
end
if keep > 0 then return keepNewest(groups, rest, front, behind, keep) end
c('DEL', settled)
if front then c('XTRIM', stream, 'MINID', behind and after(front) or front) end
removeEntries(rest)
forgetExpiring(passed)
end
local LONGEST = 60
local freed = false
local function laneOf(text)
return #text <= LONGEST and text or redis.sha1hex(text) .. string.rep('#', LONGEST - 39)
end
local function ordering(fields)
local lane, over, after
for i = 1, #fields, 2 do
local name = fields[i]
if name == 'orderingKey' then
if lane == nil then lane = fields[i + 1] ~= '' and laneOf(fields[i + 1]) end
elseif name == 'expires' then
if over == nil then over = (tonumber(fields[i + 1]) or math.huge) <= now end
elseif name == 'after' then
after = after or string.match(fields[i + 1], '^%d+-%d+$')
end
end
return lane, over, after
end
local function placeOf(id)
local dash = string.find(id, '-', 1, true)
return string.char(64 + dash) .. string.sub(id, 1, dash) .. string.char(64 + #id - dash) .. string.sub(id, dash + 1)
end
local function idAt(text, from)
local dash = from + string.byte(text, from) - 64
local last = dash + 1 + string.byte(text, dash + 1) - 64
return string.sub(text, from + 1, dash) .. string.sub(text, dash + 2, last), last
end
local function replayedPlace(id, after) return placeOf(after or '0-0') .. 'r' .. placeOf(id) end
local function prefixOf(lane) return string.char(#lane) .. lane end
local function memberOf(lane, tag, id, after)
if tag == '' then return prefixOf(lane) .. placeOf(id) end
return prefixOf(lane) .. replayedPlace(id, after)
end
local function gateOf(lane, id, after) return 'g' .. replayedPlace(id, after) .. lane end
local REPLAYED = string.byte('r')
local function partsOf(member, lane)
local name, last = idAt(member, #lane + 2)
if string.byte(member, last + 1) == REPLAYED then
name, last = idAt(member, last + 2)
name = 'r' .. name
end
return name, last < #member and string.sub(member, last + 2) or nil
end
local function rangeOf(lane)
local prefix = prefixOf(lane)
return '[' .. prefix, '(' .. prefix .. 'Z'
end
local function groupOf(name, lanes, turns, again, next)
return { name = name, lanes = lanes, turns = turns, again = again, next = next, gone = {}, idle = {}, left = false }
end
local ALONE, TOGETHER, WAITING = string.byte('|+>', 1, 3)
local LOOK = 'looklooklooklooklooklooklooklooklooklooklooklooklooklooklooklook'
local function namesOf(value)
local mark = string.byte(value)
return (mark == ALONE or mark == TOGETHER) and string.sub(value, 3) or value
end
local function isNamed(value, name)
return value == name or string.find(' ' .. namesOf(value) .. ' ', ' ' .. name .. ' ', 1, true) ~= nil
end
local function waiting(value)
if string.byte(value, 2) == WAITING then return value end
return (string.byte(value) == TOGETHER and '+>' or '|>') .. namesOf(value)
end
local function leave(g, lane, name)
local gone = g.gone[lane]
g.gone[lane] = gone and gone .. ' ' .. name or name
end
local function without(names, gone)
if names == gone then return '' end
local rest = {}
gone = ' ' .. gone .. ' '
for name in string.gmatch(names, '%S+') do
if not string.find(gone, ' ' .. name .. ' ', 1, true) then rest[#rest + 1] = name end
end
return table.concat(rest, ' ')
end
local function sortableName(name)
return string.byte(name) == REPLAYED and 'r' .. sortable(string.sub(name, 2)) or sortable(name)
end
local function advance(g)
local some, idle, turns, up, due, fresh = {}, g.idle, {}, {}, {}, {}
local function comesUp(lane)
local min, max = rangeOf(lane)
local first, second = unpack(c('ZRANGEBYLEX', g.lanes, min, max, 'LIMIT', 0, 2))
if not first then return end
local name, at = partsOf(first, lane)
local list = at and due or fresh
list[#list + 1] = at or int(now)
list[#list + 1] = at and sortableName(name) or name
up[#up + 1] = first
return second and '|>' .. name or name
end
local function go(lane, value)
local names = namesOf(value)
local rest = without(names, g.gone[lane])
if rest == names then return end
local left = rest ~= '' and string.sub(value, 1, 2) .. rest or string.byte(value, 2) == WAITING and comesUp(lane)
if left then
turns[#turns + 1] = lane
turns[#turns + 1] = left
else
idle[#idle + 1] = lane
end
end
for lane in pairs(g.gone) do some[#some + 1] = lane end
for from = 1, #some, PART do
local values = c('HMGET', g.turns, unpack(some, from, math.min(from + PART - 1, #some)))
for i = 1, #values do
if values[i] then go(some[from + i - 1], values[i]) end
end
end
local left = g.left or #idle > 0
g.gone, g.idle, g.left = {}, {}, false
each('HDEL', g.turns, idle)
each('HSET', g.turns, turns)
each('ZREM', g.lanes, up)
each('ZADD', g.again, due)
each('ZADD', g.next, fresh)
freed = freed or #up > 0 or left and c('HDEL', g.turns, LOOK) == 1
return #up
end
local function backInTurn(g, key, id, due, attempts, name, lane)
local value = c('HGET', g.turns, lane)
if not value or string.byte(value) ~= TOGETHER or not isNamed(value, name) then return false end
local member
if key == replay then
local entry = c('XRANGE', key, id, id)[1]
member = memberOf(lane, 'r', id, entry and select(3, ordering(entry[2])))
else
member = memberOf(lane, '', id)
end
c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
c('ZADD', g.lanes, 0, member .. '@' .. due)
c('HSET', g.turns, lane, waiting(value))
leave(g, lane, name)
return true
end
local RUN_NAMES = 'namenamenamenamenamenamenamenamenamenamenamenamenamenamenamename'
local RUN_LANES = 'lanelanelanelanelanelanelanelanelanelanelanelanelanelanelanelane'
local RUN_LEAST, RUN_WORDS = 32, 64
local WORD = '(%d+%-)(%d+)%*?(%d*)'
local function isInRun(text, name)
local ms, seq = string.match(name, '^(%d+%-)(%d+)$')
for first, from, count in string.gmatch(text, WORD) do
if first == ms and (from == seq or count ~= '' and from + 0 <= seq + 0 and seq + 0 < from + count) then return true end
end
return false
end
local function hasRun(turns) return c('HEXISTS', turns, RUN_NAMES) == 1 end
local function runOf(turns)
local found = c('HMGET', turns, RUN_NAMES, RUN_LANES)
return found[1], found[2]
end
local function dropRun(turns) c('HDEL', turns, RUN_NAMES, RUN_LANES) end
local function namer(text)
local word, ms, from, count, first, last = string.gmatch(text, WORD), nil, nil, nil, 0, 0
return function(place)
while place > last do
ms, from, count = word()
first, last = last + 1, last + (count == '' and 1 or count)
end
return ms .. (count == '' and from or int(from + place - first))
end
end
local function spreadRun(turns, done)
local text, texts = runOf(turns)
if not text then return end
local isDone, nameAt, rest, names, fields = {}, namer(text), {}, {}, {}
for _, lane in ipairs(done or {}) do isDone[lane] = true end
for place, lane in ipairs(cjson.decode(texts)) do
if not isDone[lane] then rest[#rest + 1], names[#names + 1] = lane, nameAt(place) end
end
for from = 1, #rest, PART do
local values = c('HMGET', turns, unpack(rest, from, math.min(from + PART - 1, #rest)))
for i = 1, #values do
if not values[i] then
fields[#fields + 1] = rest[from + i - 1]
fields[#fields + 1] = names[from + i - 1]
end
end
end
each('HSET', turns, fields)
dropRun(turns) -- at the end, so that the hash stays one that is quick to write to
end
local FEW_WAITING = 64
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
keep = tonumber(keep)
makeRoom(leases)
local said, reasons, acked, replayed, given = {}, {}, {}, false, false
local function say(word) said[#said + 1] = word end
local repeatedly = false
local strangers
local function strange()
if strangers == nil then
local pending = redis.pcall('XPENDING', stream, group)
strangers = pending.err ~= nil
for _, consumer in ipairs(pending[4] or {}) do
if consumer[1] ~= HOLD and string.sub(consumer[1], 1, 6) ~= 'lease:' then strangers = true end
end
end
return strangers
end
local g = groupOf(group, lanes, turns, again, next)
local function done(key, id, _, member, lane)
c('XACK', key, group, id)
if lane then leave(g, lane, member) end
if key == replay then
c('XDEL', key, id)
replayed = true
else
acked[#acked + 1] = id
end
end
local function wasDone()
return repeatedly and valid and otherLease == '' and not strange()
end
local act = {}
act['one'] = done
local function back(key, id, due, attempts, member, lane)
if not lane or not backInTurn(g, key, id, due, attempts, member, lane) then giveBack(key, id, due, attempts) end
given = true
end
act['retry'] = function(key, id, attempts, member, lane, delay)
delay = tonumber(delay)
back(key, id, delay > 0 and int(from(delay)) or 0, attempts, member, lane)
end
act['release'] = function(key, id, attempts, member, lane) back(key, id, 0, attempts - 1, member, lane) end
act['dead'] = function(key, id, attempts, member, lane, name, message)
local entry = c('XRANGE', key, id, id)[1]
local letter = { 'XADD', dead, '*', 'error', name, 'message', message, 'attempts', attempts, 'entry', member, 'died', int(now) }
c(unpack(withFields(letter, entry and entry[2] or {})))
done(key, id, attempts, member, lane)
end
local LOST = '\\239\\191\\189'
local function laneOfEntry(key, id, text)
local entry = string.find(text, LOST, 1, true) and c('XRANGE', key, id, id)[1]
return entry and ordering(entry[2]) or laneOf(text)
end
local function settle(what, member, text, ...)
local key, id = place(member)
local lane = text and text ~= '' and laneOfEntry(key, id, text)
local attempts = owned(key, id)
if not attempts then
if attempts == nil and lane then leave(g, lane, member) end
return say(wasDone() and '1' or '0')
end
local ok, refusal = pcall(act[what], key, id, attempts, member, lane, ...)
say(ok and '1' or 'x')
if not ok then reasons[#reasons + 1] = type(refusal) == 'table' and refusal.err or tostring(refusal) end
end
local function textsOf(members)
local texts = {}
for i, member in ipairs(members) do
local entry = c('XRANGE', stream, member, member)[1]
texts[i] = entry and ordering(entry[2]) or ''
end
return texts
end
local function acknowledge(members, texts, alone, run, part)
if valid and otherLease == '' and string.sub(members[1], 1, 1) ~= 'r' and not strange() then
local count = c('XACK', stream, group, unpack(members))
say(string.rep('1', #members))
alone = alone and count == #members
if not (run and leaveRun(g, run)) then
texts = texts or textsOf(members)
if run or part then
spreadRun(turns, alone and texts)
g.left = g.left or alone
end
leaveAll(g, texts, members, alone)
end
if #acked == 0 then acked = members else for _, member in ipairs(members) do acked[#acked + 1] = member end end
else
texts = texts or textsOf(members)
if run or part then spreadRun(turns) end
for i, member in ipairs(members) do settle('one', member, texts[i]) end
end
end
local details = { one = 0, retry = 1, release = 0, dead = 2 }
while left() do
local what = take(1)
if what == 'spread' then
spreadRun(turns)
what = take(1)
end
local first = take(1)
if what == 'lease' then
local other, repeated = take(2)
under(first, other)
repeatedly = repeated == '1'
elseif what == 'ack' or what == 'next' or what == 'turn' then
local members = { take(tonumber(first)) }
acknowledge(members, what == 'ack' and {} or cjson.decode((take(1))), what == 'next')
elseif what == 'run' then
local members = { take(tonumber(first)) }
acknowledge(members, nil, true, (take(1)))
elseif what == 'part' then
local members = { take(tonumber(first)) }
acknowledge(members, cjson.decode((take(1))), true, nil, true)
else
settle(what, first, take(1 + details[what]))
end
end
advance(g)
if #acked > 0 then discard(groupsOf(stream), acked, group, keep) end
if replayed and c('XLEN', replay) == 0 then c('DEL', replay) end
if given or freed then wakeReaders(wake, channel) end
local text = table.concat(said)
if #reasons > 0 then return { text, unpack(reasons) } end
return text
end)()`,
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
