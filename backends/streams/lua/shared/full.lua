-- A server at its memory limit refuses commands that may need memory as the first write of a script. makeRoom(key): a
-- write of nothing, after which the script may go on: for scripts that free what they take. isFull(key): whether the
-- server is at its limit, to be asked before any other write.
-- include: time
local function makeRoom(key) c('ZREM', key, '') end
local function isFull(key)
  local refused = redis.pcall('ZADD', key, 'XX', 0, '')
  return type(refused) == 'table' and refused.err and string.find(refused.err, 'OOM', 1, true) ~= nil
end
