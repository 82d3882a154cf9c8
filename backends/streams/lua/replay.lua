-- Puts dead letters back, for this group alone. A time to live ended with the message's death. One with an ordering key
-- comes after all that is in the stream now, or is due.
--
-- KEYS: stream, dead, replay, wake, delayed, expiring
-- ARGV: group, channel, limit, ...
--   then ids (none: the oldest)
-- Returns: how many were put back; -1: more has become due than one call moves, and none was: to be run again
-- include: time
-- include: wake
-- include: chosen
-- include: fields
-- include: due

-- The fields and values that a dead letter has of its own, before the message's.
local OWN = 10
-- Messages that have become due which one call moves into the stream.
local MOVED = 500
local due = dueNow(MOVED)
moveIn(due)
if #due == MOVED then return -1 end
local count, last = 0, nil
-- The last id that the stream has given out: `after` puts a message behind it.
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
