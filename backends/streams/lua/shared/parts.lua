-- each(command, key, items): the command on a key with any number of items, no more than Lua can pass at once.
-- include: time
local PART = 1000
local function each(command, key, items)
  for i = 1, #items, PART do c(command, key, unpack(items, i, math.min(i + PART - 1, #items))) end
end
