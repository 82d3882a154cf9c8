-- linesOf(text, count): the lines of a text. One alone is the text, whatever is in it.
local find, sub = string.find, string.sub
local function linesOf(text, count)
  if count == 1 then return { text } end
  local lines, from = {}, 1
  for i = 1, count do
    local to = find(text, '\n', from, true) or 0
    lines[i], from = sub(text, from, to - 1), to + 1
  end
  return lines
end
