-- A message that is not due waits as one text, which sorts by the time at which it was sent. pack(...), unpacked(text).
-- include: time
local function pack(order, expires, id, headers, body)
  return order .. '|' .. int(now) .. '|' .. expires .. '|' .. #id .. '|' .. #headers .. '|' .. id .. headers .. body
end
local function unpacked(packed)
  local at, expires, nid, nheaders, start = string.match(packed, '^%d+|(%d+)|(%d*)|(%d+)|(%d+)|()')
  local middle = start + nid
  local rest = middle + nheaders
  return at, expires, string.sub(packed, start, middle - 1), string.sub(packed, middle, rest - 1), string.sub(packed, rest)
end
