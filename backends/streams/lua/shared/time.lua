-- The server's clock. now: whole milliseconds, rounded down; what is due at now is due. from(ms): the first whole
-- millisecond that is not earlier than ms from this moment. int(x): a number written in full.
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
