-- Publishes messages with ids, headers, delays, times to live, or a bound on the queue.
--
-- KEYS: stream, slot, delayed, ids, expiring, wake, ...
--   then the slots of batches that were never answered
-- ARGV: token, channel, limit, overflow, window, trimming, ...
--   limit: the most messages, 0: any number; overflow: `reject` or `drop`; window: milliseconds for which ids are
--   remembered; trimming: `1` to trim; then for each message: body; id (`=id` chosen by the publisher, `~id` made and to be carried,
--   or nothing); headers; delay; time to live; and `n token` of an earlier batch that may have brought this id already,
--   its slot the nth of KEYS
-- Returns: one word for each message: `=` a duplicate, `!` full, `+` delayed, else the entry's id
-- Traits: publishes
-- include: time
-- include: tell
-- include: remember
-- include: trim
-- include: pack
-- include: clear
-- include: arguments
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
return answer
