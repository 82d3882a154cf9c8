-- withFields(command, fields): the command with an entry's fields and values behind it; where those are more than Lua can
-- pass to one command, as one field `fields`, an array of JSON.
local FIELDS = 2000
local function withFields(command, fields)
  if #fields > FIELDS then
    command[#command + 1] = 'fields'
    command[#command + 1] = cjson.encode(fields)
    return command
  end
  for _, text in ipairs(fields) do command[#command + 1] = text end
  return command
end
