-- Who owns an entry. A lease's entries may have moved to another lease, by a renewal whose answer was lost: `other` is its
-- name, or empty.
--
-- under(name, other): what follows is under this lease. place(member): the stream and the id of an entry; a replayed one
-- has an r in front. owned(key, id): the entry's attempts where the lease, or the other one, holds it; false where anybody
-- else does, and nothing where nobody does.
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
