-- What was returned for a batch is remembered in a hash of its publisher, in a field that the publisher uses again once
-- it has the answer: `token|answer|ids`, the ids being those made by the publisher, without what they have in common, as
-- `first` or `first:last`. A batch that was never answered stays, so that any process can tell that it arrived.
--
-- answered(value, token): the answer to that batch. isAmong(ids, id): whether such a list holds an id.
-- repeated: the field of ids which were published once more by name, since their batch was never answered: a batch that
-- is late must not bring them a second time.
local REPEATED = 'repeated'
local function answered(value, token)
  local mark = token .. '|'
  return value and string.sub(value, 1, #mark) == mark and string.match(value, '^[^|]*', #mark + 1)
end
local function isAmong(ids, id)
  if id == '' then return false end
  local n = tonumber(id, 36)
  for first, last in string.gmatch(ids, '(%w+):?(%w*)') do
    if first == id or last ~= '' and tonumber(first, 36) <= n and n <= tonumber(last, 36) then return true end
  end
  return false
end
