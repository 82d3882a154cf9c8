-- put(at, expires, id, headers, body, key): adds a message to the stream, with the fields that it has; returns the entry's
-- id. key: the ordering key.
-- include: time
local function put(at, expires, id, headers, body, key)
  local entry = { 'XADD', stream, '*', 'data', body }
  local function with(name, value)
    if value ~= '' then
      entry[#entry + 1] = name
      entry[#entry + 1] = value
    end
  end
  with('id', id)
  with('orderingKey', key)
  with('headers', headers)
  with('at', at)
  with('expires', expires)
  local added = c(unpack(entry))
  if expires ~= '' then c('ZADD', expiring, expires, added) end
  return added
end
