-- A page of entries that ends before it has more bytes than the caller asked for, but for one entry that has more alone.
-- fits(entry): adds an entry's size; whether it still fits.
local spent, shown = 0, 0
local function fits(entry)
  for _, text in ipairs(entry[2]) do spent = spent + #text end
  shown = shown + 1
  return shown == 1 or spent <= tonumber(bytes)
end
