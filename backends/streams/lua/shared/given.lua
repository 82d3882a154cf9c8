-- What a receive has given so far. give(key, tag, entry, attempts, lane, blocked): adds a delivery to the answer.
-- detailsOf(fields): what `ordering` says, of an entry that may have an ordering key or a time to live.
-- blockedFor(free, id, attempts): milliseconds that a message waited behind others, which were done at that time.
-- include: lanes
local out, n, dropped, given, spent = { now }, 1, false, 0, 0
local function detailsOf(fields)
  local count = #fields
  if count == 2 or count == 4 and fields[3] == 'id' then return end
  local last = fields[count - 1] == 'orderingKey' and fields[count] ~= ''
  if last and fields[1] == 'data' and (count == 4 or count == 6 and fields[3] == 'id') then return laneOf(fields[count]) end
  return ordering(fields)
end
-- Of an entry that is known to have an ordering key: whether its time to live is over.
local function isOver(fields)
  if #fields == 4 or #fields == 6 and fields[3] == 'id' then return false end
  local _, over = ordering(fields)
  return over
end
local function blockedFor(free, id, attempts)
  local visible = free and attempts == 1 and tonumber(string.match(id, '^%d+'))
  -- An id may come from any publisher, and be no time.
  return visible and visible <= free and visible > free - 31536000000 and int(free - visible) or nil
end
local function give(key, tag, entry, attempts, lane, blocked)
  local id, fields = entry[1], entry[2]
  local count = #fields
  room, given = room - 1, given + 1
  if attempts == 1 and tag == '' and fields[1] == 'data' then
    if count == 2 then
      spent = spent + #fields[2]
      out[n + 1], out[n + 2] = id, fields[2]
      n = n + 2
      return
    elseif count == 4 and fields[3] == 'id' then
      spent = spent + #fields[2]
      n = n + 1
      out[n] = { id, fields[4], fields[2] }
      return
    elseif lane and (count == 4 or count == 6 and fields[3] == 'id') then
      spent = spent + #fields[2]
      n = n + 1
      out[n] = { id, fields[2], fields[count], count == 6 and fields[4] or '', blocked or '' }
      return
    end
  end
  local whole = { tag .. id, blocked and attempts .. ' ' .. blocked or attempts }
  for i = 1, count do
    whole[i + 2] = fields[i]
    spent = spent + #fields[i]
  end
  n = n + 1
  out[n] = whole
end
