-- dueNow(most): delayed messages whose time has come. moveIn(due): moves them into the stream, in the order of their times.
-- Nothing is taken out before it is in: a full server may refuse the script.
-- include: pack
-- include: put
local function dueNow(most) return c('ZRANGEBYSCORE', delayed, '-inf', int(now), 'LIMIT', 0, most) end
local function moveIn(due)
  for _, packed in ipairs(due) do
    local at, expires, id, headers, body, key = unpacked(packed)
    if expires == '' or tonumber(expires) > now then put(at, expires, id, headers, body, key) end
    c('ZREM', delayed, packed)
  end
end
