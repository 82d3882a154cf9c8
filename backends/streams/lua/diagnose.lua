-- Looks which groups of a stream nobody reads, and whether somebody has trimmed what is unsettled. Changes nothing.
--
-- KEYS: stream
-- ARGV: many
--   many: the most pending entries that are looked for
-- Returns: the server's time in milliseconds, the number of entries, when the oldest was added, and for each group four
--   texts: its name, the time of the oldest entry that waits or nothing, milliseconds since somebody last read, and how
--   many pending entries are gone
-- Traits: repeatable
-- include: hold
local clock = redis.call('TIME')
local found = { clock[1] .. string.format('%03d', math.floor(clock[2] / 1000)), '0', '' }
if redis.call('TYPE', stream).ok ~= 'stream' then return found end
local function atOf(id) return string.match(id, '^%d+') end
local function fieldsOf(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end
local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
found[2] = tostring(redis.call('XLEN', stream))
found[3] = first and atOf(first[1]) or ''
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group = fieldsOf(flat)
  local waits = redis.call('XRANGE', stream, '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
  local idle = ''
  for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group.name)) do
    local consumer = fieldsOf(one)
    if consumer.name ~= HOLD and (idle == '' or consumer.idle < idle) then idle = consumer.idle end
    -- What somebody has taken and left waits too: a lease that is over is taken by the next who reads.
    if not waits and consumer.name ~= HOLD and consumer.pending > 0 then
      waits = redis.call('XPENDING', stream, group.name, '-', '+', 1, consumer.name)[1]
    end
  end
  local gone = 0
  for _, pending in ipairs(redis.call('XPENDING', stream, group.name, '-', '+', many)) do
    if #redis.call('XRANGE', stream, pending[1], pending[1]) == 0 then gone = gone + 1 end
  end
  for _, text in ipairs({ group.name, waits and atOf(waits[1]) or '', tostring(idle), tostring(gone) }) do
    found[#found + 1] = text
  end
end
return found
