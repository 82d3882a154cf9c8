-- Reads the first messages that a group has not settled, and changes nothing. A group that does not exist has settled
-- nothing.
--
-- KEYS: stream, delayed, leases, again, replay, next
-- ARGV: group, limit, bytes
--   limit: the most of each kind; bytes: the most in all, but for one message that is larger
-- Returns: the server's time, then an array for each: what the group was given, what it was not, both of the replayed ones,
--   and what is not due. `[id, state, attempts, field, value, ...]`; the id of a replayed entry starts with `r`, and that of
--   a message without a place is empty. state: `inFlight`, `ready`, `delayed`, `held` (waits behind another), or `new`,
--   where the ordering key decides
-- Traits: repeatable
-- include: time
-- include: hold
-- include: ids
-- include: pack
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
