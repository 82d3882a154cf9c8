-- Entries that every group has settled leave the stream, wherever they stand, but for the newest `keep`, which stay for
-- readers without a group. Those are in the sorted set `settled`, so that they are never counted as waiting; its first
-- member, `>` and an id, says up to where the front of the stream has been looked through.
--
-- keptSettled(): how many settled entries are kept.
-- discard(groups, ids, mine, keep): lets go of what stands before the front, and of those of the ids, settled by the
-- group `mine`, which no other group needs.
-- include: groups
-- include: remove
local function keptSettled()
  local first = c('ZRANGE', settled, 0, 0)[1]
  if not first then return 0 end
  return c('ZCARD', settled) - (string.sub(first, 1, 1) == '>' and 1 or 0)
end
local function after(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return #seq < 16 and ms .. '-' .. int(seq + 1) or id
end
local function keepNewest(groups, ids, front, behind, keep)
  local mark = c('ZRANGE', settled, 0, 0)[1]
  local marked = mark and string.sub(mark, 1, 1) == '>' and string.sub(mark, 2)
  local function add(id) c('ZADD', settled, string.match(id, '^%d+'), id) end
  for _, id in ipairs(ids) do
    if c('XRANGE', stream, id, id)[1] then add(id) end
  end
  if front then
    local upTo = behind and front or '(' .. front
    local seen = c('XRANGE', stream, marked and '(' .. marked or '-', upTo, 'COUNT', PART)
    for _, entry in ipairs(seen) do add(entry[1]) end
    local reached = #seen > 0 and seen[#seen][1] or marked or '0-0'
    if marked then c('ZREM', settled, mark) end
    c('ZADD', settled, '-inf', '>' .. reached)
    marked = reached
  end
  local from = marked and 1 or 0
  local over = c('ZCARD', settled) - from - keep
  if over <= 0 then return end
  local old = c('ZRANGE', settled, from, from + math.min(over, PART) - 1)
  for _, id in ipairs(old) do
    -- A group that came late needs them: all of them wait again.
    if neededBy(stream, groups, id) then return c('DEL', settled) end
  end
  removeEntries(old)
  c('ZREM', settled, unpack(old))
end
local function discard(groups, ids, mine, keep)
  local front, behind = frontOf(stream, groups)
  if keep == 0 and #groups == 1 and #ids > 0 then
    -- The group has settled them all: most stand before the front, which goes in one piece.
    c('DEL', settled)
    if c('XTRIM', stream, 'MINID', behind and after(front) or front) ~= #ids then return removeEntries(ids) end
    return forgetExpiring(ids)
  end
  local rest, passed = {}, {}
  for _, id in ipairs(ids) do
    if front and (isBefore(id, front) or behind and id == front) then
      passed[#passed + 1] = id
    elseif not neededBy(stream, groups, id, mine) then rest[#rest + 1] = id end
  end
  if keep > 0 then return keepNewest(groups, rest, front, behind, keep) end
  c('DEL', settled)
  if front then c('XTRIM', stream, 'MINID', behind and after(front) or front) end
  removeEntries(rest)
  forgetExpiring(passed)
end
