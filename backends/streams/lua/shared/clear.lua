-- clear(stream): trims what is settled and, at the front, what has expired and no group holds.
-- include: time
-- include: trim
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
