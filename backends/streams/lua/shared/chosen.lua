-- ids: the dead letters that are meant: those named, else the oldest, no more than limit.
-- forget(key): removes a stream that has nothing left.
local ids = { unpack(ARGV, taken + 1, math.min(#ARGV, taken + tonumber(limit))) }
if #ARGV == taken then
  for _, entry in ipairs(c('XRANGE', dead, '-', '+', 'COUNT', limit)) do ids[#ids + 1] = entry[1] end
end
local function forget(key) if c('XLEN', key) == 0 then c('DEL', key) end end
