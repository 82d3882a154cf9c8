-- Ownership of an entry. under(name): what follows is under this lease. split(member): the stream and the id of an
-- entry; a replayed one has an r in front. owned(key, id): the entry's attempts where the lease holds it, else false.
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
