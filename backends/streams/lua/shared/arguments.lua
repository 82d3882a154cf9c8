-- The arguments after those that have a name. take(count): the next ones. left(): whether there are any.
local function left() return taken < #ARGV end
local function take(count)
  local first = taken + 1
  taken = taken + count
  return unpack(ARGV, first, taken)
end
