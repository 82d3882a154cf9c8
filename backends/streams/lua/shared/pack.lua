-- A message that is not due waits as one text, which sorts by the time at which it was sent. pack(...), unpacked(text).
-- include: time
local function pack(order, expires, id, headers, body, key)
  local lengths = #id .. '|' .. #headers .. (key == '' and '' or ':' .. #key)
  return order .. '|' .. int(now) .. '|' .. expires .. '|' .. lengths .. '|' .. id .. headers .. key .. body
end
local function unpacked(packed)
  local at, expires, nid, nheaders, nkey, start = string.match(packed, '^%d+|(%d+)|(%d*)|(%d+)|(%d+):?(%d*)|()')
  local headers = start + nid
  local key = headers + nheaders
  local body = key + (tonumber(nkey) or 0)
  return at, expires, string.sub(packed, start, headers - 1), string.sub(packed, headers, key - 1),
    string.sub(packed, body), string.sub(packed, key, body - 1)
end
