-- Puts dead letters back, for this group alone. A time to live ended with the message's death.
--
-- KEYS: dead, replay, wake
-- ARGV: group, channel, limit, ...
--   then ids (none: the oldest)
-- Returns: how many were put back
-- include: time
-- include: tell
-- include: wake
-- include: chosen
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
return count
