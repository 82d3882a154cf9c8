-- A run: messages that one receive gave one after the other, each the only one of its lane. Where a consumer acknowledges a
-- whole run at once, as one does that is fast, `turns` has two fields of the run, its names and its lanes, in place of one
-- for each lane. What `turns` has of a lane itself counts before what the run says. There is one run at most, and whoever
-- needs to know more than what is here spreads it first.
--
-- Its names are a text, with spaces between them; several that follow one another in one millisecond are one word, the
-- first of them, `*`, and how many they are. Its lanes are an array of JSON, in the same order.
--
-- hasRun(turns). runOf(turns): its names and its lanes, both as texts; nothing where there is none. isInRun(text, name): of
-- a text of names. namer(text): a function that returns the name at a place; the places are asked for in ascending order.
-- dropRun(turns): forgets it. spreadRun(turns, done): turns it into a field for each lane, but for those that are done,
-- where there are any.
-- include: parts
-- Longer than any lane.
local RUN_NAMES = 'namenamenamenamenamenamenamenamenamenamenamenamenamenamenamename'
local RUN_LANES = 'lanelanelanelanelanelanelanelanelanelanelanelanelanelanelanelane'
-- The fewest messages of a run that is kept as one, and the most words of its names.
local RUN_LEAST, RUN_WORDS = 32, 64
local WORD = '(%d+%-)(%d+)%*?(%d*)'
local function isInRun(text, name)
  local ms, seq = string.match(name, '^(%d+%-)(%d+)$')
  for first, from, count in string.gmatch(text, WORD) do
    if first == ms and (from == seq or count ~= '' and from + 0 <= seq + 0 and seq + 0 < from + count) then return true end
  end
  return false
end
local function hasRun(turns) return c('HEXISTS', turns, RUN_NAMES) == 1 end
local function runOf(turns)
  local found = c('HMGET', turns, RUN_NAMES, RUN_LANES)
  return found[1], found[2]
end
local function dropRun(turns) c('HDEL', turns, RUN_NAMES, RUN_LANES) end
local function namer(text)
  local word, ms, from, count, first, last = string.gmatch(text, WORD), nil, nil, nil, 0, 0
  return function(place)
    while place > last do
      ms, from, count = word()
      first, last = last + 1, last + (count == '' and 1 or count)
    end
    return ms .. (count == '' and from or int(from + place - first))
  end
end
local function spreadRun(turns, done)
  local text, texts = runOf(turns)
  if not text then return end
  local isDone, nameAt, rest, names, fields = {}, namer(text), {}, {}, {}
  for _, lane in ipairs(done or {}) do isDone[lane] = true end
  for place, lane in ipairs(cjson.decode(texts)) do
    if not isDone[lane] then rest[#rest + 1], names[#names + 1] = lane, nameAt(place) end
  end
  for from = 1, #rest, PART do
    local values = c('HMGET', turns, unpack(rest, from, math.min(from + PART - 1, #rest)))
    for i = 1, #values do
      if not values[i] then
        fields[#fields + 1] = rest[from + i - 1]
        fields[#fields + 1] = names[from + i - 1]
      end
    end
  end
  each('HSET', turns, fields)
  dropRun(turns) -- at the end, so that the hash stays one that is quick to write to
end
