-- The groups of a stream, ours or not. groupsOf(stream): each with its name, pending, and read, the sortable id of the
-- last entry that it was given. frontOf(stream, groups): the id of the oldest entry that some group still needs, and
-- whether that group has read it already: then the front is just behind it. Nothing where there is no group.
-- neededBy(stream, groups, id, mine): whether a group other than mine has yet to settle the entry.
-- include: time
-- include: ids
local function groupsOf(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return {} end
  for g, fields in ipairs(groups) do
    local is = {}
    for i = 1, #fields, 2 do is[fields[i]] = fields[i + 1] end
    is.last = is['last-delivered-id']
    is.read = sortable(is.last)
    groups[g] = is
  end
  return groups
end
local function frontOf(stream, groups)
  local first, behind, mark
  for _, is in ipairs(groups) do
    local oldest = is.pending > 0 and c('XPENDING', stream, is.name, '-', '+', 1)[1]
    local id = oldest and oldest[1] or is.last
    local place = oldest and sortable(id) or is.read .. '+'
    if not mark or place < mark then first, behind, mark = id, not oldest, place end
  end
  return first, behind
end
local function neededBy(stream, groups, id, mine)
  local place = sortable(id)
  for _, is in ipairs(groups) do
    if is.name ~= mine then
      if place > is.read then return true end
      if is.pending > 0 and c('XPENDING', stream, is.name, id, id, 1)[1] then return true end
    end
  end
  return false
end
