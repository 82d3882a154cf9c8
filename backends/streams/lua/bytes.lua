-- Tells what the bodies of entries are byte by byte: a client decodes text, and would lose what is no UTF-8.
--
-- KEYS: stream, replay, dead
-- ARGV: form, ...
--   form: `sha1`, or `hex` for the bytes themselves; then for each entry the place of its key among the keys, and its id
-- Returns: one text for each entry, empty where it is gone or has no body
-- Traits: repeatable
local HEX = {}
for i = 0, 255 do HEX[string.char(i)] = string.format('%02x', i) end
local out = {}
for i = 2, #ARGV, 2 do
  local entry = redis.call('XRANGE', KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 1])[1]
  local body
  for j = 1, entry and #entry[2] or 0, 2 do
    if not body and entry[2][j] == 'data' then body = entry[2][j + 1] end
  end
  if not body then
    out[#out + 1] = ''
  elseif form == 'hex' then
    out[#out + 1] = (string.gsub(body, '.', HEX))
  else
    out[#out + 1] = redis.sha1hex(body)
  end
end
return out
