-- wakeReaders(key, channel): makes readers that are blocked inspect the queue again. A reader inspects it at least
-- every half minute by itself, so the key need not outlive that by much.
-- include: time
-- include: tell
local function wakeReaders(key, channel)
  c('XADD', key, 'MAXLEN', '1', '*', 'w', '')
  c('PEXPIRE', key, 120000)
  tell(channel)
end
