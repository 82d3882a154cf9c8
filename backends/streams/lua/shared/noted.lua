-- What a receive notes in `turns`. known: what `turns` says of lanes, as far as this call knows: false for one without
-- messages. setTurn(lane, value): changes it. saveTurns(): writes the changes. noteRun(words, lanes, names, texts): writes
-- what `known` has of lanes of which the only messages were given; names, texts: these and the lanes in the form of a run;
-- words: how many words the names have. Returns whether they are kept as a run.
-- include: runs
local known = {}
-- A lane and its value by turns, of which the last counts.
local changed, changes = {}, 0
local function setTurn(lane, value)
  known[lane] = value
  changed[changes + 1], changed[changes + 2] = lane, value
  changes = changes + 2
end
-- A small hash is a list to the server, which it goes through from the front, until it has held a long name: no lane has
-- this one.
local MANY, LONG = 32, '....................................................................................................'
local isTable = false
local function saveTurns()
  if changes > MANY and not isTable then
    isTable = true
    c('HSET', turns, LONG, '')
    each('HSET', turns, changed)
    c('HDEL', turns, LONG)
  else
    each('HSET', turns, changed)
  end
  changed, changes = {}, 0
end
local function noteRun(words, lanes, names, texts)
  if asRun == '1' and #lanes >= RUN_LEAST and words <= RUN_WORDS and not hasRun(turns) then
    c('HSET', turns, RUN_NAMES, names, RUN_LANES, texts)
    return true
  end
  for i = 1, #lanes do setTurn(lanes[i], known[lanes[i]]) end
  saveTurns()
  return false
end
