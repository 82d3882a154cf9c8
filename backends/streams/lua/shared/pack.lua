-- How a message that is not due waits: it sorts by the time at which it was sent. put(...) adds a message to the stream.
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
local function put(stream, expiring, at, expires, id, headers, body)
  local entry = { 'XADD', stream, '*', 'data', body }
  local function with(name, value)
    if value ~= '' then
      entry[#entry + 1] = name
      entry[#entry + 1] = value
    end
  end
  with('id', id)
  with('headers', headers)
  with('at', at)
  with('expires', expires)
  local added = c(unpack(entry))
  if expires ~= '' then c('ZADD', expiring, expires, added) end
  return added
end
