-- The consumer that holds what was given back until it is due. It has no lease.
local HOLD = 'given-back'
