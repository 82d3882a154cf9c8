-- Puts dead letters back, for this group alone. A time to live ended with the message's death.
--
-- KEYS: dead, replay, wake
-- ARGV: group, channel, limit, ...
--   then ids (none: the oldest)
-- Returns: how many were put back
-- include: time
-- include: wake
-- include: chosen
-- include: fields

-- The fields and values that a dead letter has of its own, before the message's.
local OWN = 10
local count = 0
for _, id in ipairs(ids) do
  local entry = c('XRANGE', dead, id, id)[1]
  if entry then
    if count == 0 then redis.pcall('XGROUP', 'CREATE', replay, group, '0', 'MKSTREAM') end
    local letter, has, fields = entry[2], {}, {}
    local origin = string.match(letter[8], '^r?(.*)$')
    for i = OWN + 1, #letter, 2 do
      if letter[i] ~= 'expires' then
        has[letter[i]] = true
        fields[#fields + 1] = letter[i]
        fields[#fields + 1] = letter[i + 1]
      end
    end
    local whole = { 'XADD', replay, '*' }
    local function with(name, value)
      if has[name] then return end
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
    with('id', origin)
    with('at', string.match(origin, '^%d+'))
    c(unpack(withFields(whole, fields)))
    c('XDEL', dead, id)
    count = count + 1
  end
end
forget(dead)
if count > 0 then wakeReaders(wake, channel) end
return count
