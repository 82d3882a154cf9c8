-- trim(stream): removes the entries that every group has settled and that stand before the oldest entry that some
-- group, ours or not, has pending or has not read yet.
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
