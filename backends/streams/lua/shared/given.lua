-- What a receive has given so far. give(key, tag, entry, attempts, lane, blocked): adds a delivery to the answer.
-- giveOrdered(id, body, text): a first delivery that has an ordering key and nothing else. beginRun(alone): such may follow;
-- alone: `turns` says nothing of their lanes yet. endRun(): no more follow at once.
-- detailsOf(fields): what `ordering` says, of an entry that may have an ordering key or a time to live.
-- blockedFor(free, id, attempts): milliseconds that a message waited behind others, which were done at that time.
-- include: lanes
-- include: noted
local out, n, dropped, given, spent = { now }, 1, false, 0, 0
-- The item that ordered deliveries are added to, for as long as no other comes between; how many they are, their ids, of
-- which several may be one word, their ordering keys, and whether `turns` says nothing of their lanes yet.
local run, runs, runIds, runKeys, runAlone = nil, 0, nil, nil, nil
local function detailsOf(fields)
  local count = #fields
  if count == 2 or count == 4 and fields[3] == 'id' then return end
  local last = fields[count - 1] == 'orderingKey' and fields[count] ~= ''
  if last and fields[1] == 'data' and (count == 4 or count == 6 and fields[3] == 'id') then return laneOf(fields[count]) end
  return ordering(fields)
end
local function blockedFor(free, id, attempts)
  local visible = free and attempts == 1 and tonumber(string.match(id, '^%d+'))
  -- An id may come from any publisher, and be no time.
  return visible and visible <= free and visible > free - 31536000000 and int(free - visible) or nil
end
local function endRun()
  if run then
    run[2], run[3] = table.concat(runIds, ' '), cjson.encode(runKeys)
    if runAlone and noteRun(#runIds, runKeys, run[2], run[3]) then run[1] = 'run' end
  end
  run = nil
end
local function beginRun(alone)
  if run and runAlone == alone then return end
  endRun()
  run, runs, runIds, runKeys, runAlone, n = { 'k', '', '' }, 0, {}, {}, alone, n + 1
  out[n] = run
end
local function giveOrdered(id, body, text)
  room, given, spent = room - 1, given + 1, spent + #body
  beginRun(false)
  runs = runs + 1
  run[runs + 3], runIds[#runIds + 1], runKeys[runs] = body, id, text
end
local function give(key, tag, entry, attempts, lane, blocked)
  local id, fields = entry[1], entry[2]
  local count = #fields
  if lane and attempts == 1 and not blocked and tag == '' and count == 4 and fields[1] == 'data' then
    return giveOrdered(id, fields[2], fields[4])
  end
  room, given = room - 1, given + 1
  endRun()
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
