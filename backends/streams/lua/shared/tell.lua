-- tell(channel): tells clients that listen to the channel that something is new. Not every user of a server may use
-- channels: that must not fail a publish.
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
