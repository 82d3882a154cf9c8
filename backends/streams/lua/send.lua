-- Publishes messages with ids, headers, delays, times to live, or a bound on the queue.
--
-- KEYS: stream, sent, delayed, ids, expiring, wake, settled, ...
--   then the hashes of publishers whose batches may have brought one of these messages already
-- ARGV: token, slot, channel, remember, limit, overflow, window, keep, trimming, ordered, ...
--   token, slot, remember: as for plain messages; limit: the most messages, 0: any number; overflow: `reject` or `drop`;
--   window: milliseconds for which ids are remembered; keep: settled entries that stay; trimming: `1` to look for what
--   is settled and has expired; ordered: `1` where one that is not delayed has an ordering key. Then for each message: body;
--   id (`=id` chosen by the publisher, `~id` made and to be carried, or nothing); headers; delay; time to live; own, what is
--   its own in an id that was made; origin, the number of the further key whose publisher made a chosen id, or nothing; and
--   the ordering key, or nothing
-- Returns: one word for each message: `=` a duplicate, `!` full, `+` delayed, else the entry's id. Or `~`: more has become
--   due than one call moves, and nothing was added: to be run again
-- Traits: publishes
-- include: time
-- include: tell
-- include: wake
-- include: remember
-- include: due
-- include: groups
-- include: settled
-- include: expire
-- include: arguments
-- Messages that have become due which one call moves into the stream.
local MOVED = 500
local before = answered(c('HGET', sent, slot), token)
if before then return before end
limit, window, keep = tonumber(limit), tonumber(window), tonumber(keep)
local function count() return c('XLEN', stream) - keptSettled() + c('ZCARD', delayed) end
local used = count() -- refuses a key of another type before anything is written
-- What is due stands before what is sent now.
if ordered == '1' then
  local due = dueNow(MOVED)
  moveIn(due)
  if #due == MOVED then return '~' end
end
local late = c('HGET', sent, REPEATED) or ''

-- Expired messages that nobody has moved into the stream yet.
local function expireDelayed(most)
  for _, packed in ipairs(c('ZRANGEBYSCORE', delayed, '-inf', int(now), 'LIMIT', 0, most)) do
    local _, expires = unpacked(packed)
    if expires ~= '' and tonumber(expires) <= now then c('ZREM', delayed, packed) end
  end
end
-- What consumers that are not ours have settled, behind entries that still wait: ours leave nothing there.
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
  -- Where a consumer keeps settled entries, and this publisher knows nothing of it, they are the consumer's to let go.
  if keep > 0 or c('EXISTS', settled) == 0 then discard(groupsOf(stream), {}, nil, keep) end
end
if trimming == '1' then
  cleanUp(1000)
else
  expire(20)
  expireDelayed(20)
end

-- Whether the batch of another publisher, or of this one, has brought a message already.
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
-- Publishers may remember ids for different times: the longest counts.
if chosen and c('PTTL', ids) < window then c('PEXPIRE', ids, int(window)) end

-- The oldest goes, whether it waits in the stream or for its time: of the delayed ones, the one that is due first stands
-- for all. Settled entries that are kept are passed over.
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
