-- Entry ids. Each of the two numbers may have twenty digits, more than a number of Lua holds, and an id may come from
-- any publisher: ids are compared as texts, and never taken for a time.
-- sortable(id): a text that sorts as the id does. plain(text): the id again. isBefore(a, b): whether id a sorts first.
local function sortable(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end
local function plain(text)
  local ms, seq = string.match(text, '^0*(%d+)-0*(%d+)$')
  return ms .. '-' .. seq
end
local function isBefore(a, b)
  if #a == #b and string.find(a, '-', 1, true) == string.find(b, '-', 1, true) then return a < b end
  return sortable(a) < sortable(b)
end
