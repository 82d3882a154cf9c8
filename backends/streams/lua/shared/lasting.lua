-- keepLeases(ms): the set of leases goes by itself some time after the last of them has ended.
-- include: time
local function keepLeases(ms)
  local left = math.ceil(ms * 2 + 10000)
  if c('PTTL', leases) < left then c('PEXPIRE', leases, int(left)) end
end
