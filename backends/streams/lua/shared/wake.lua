-- wakeReaders(key, channel): makes readers that are blocked inspect the queue again.
-- include: time
-- include: tell
local function wakeReaders(key, channel)
  c('XADD', key, 'MAXLEN', '1', '*', 'w', '')
  tell(channel)
end
