-- What is given back is pending for the consumer HOLD, and stands in the sorted set `again` by the time at which it may
-- be delivered: 0 is at once, whatever the clock says. The member sorts by age, so that what is due together comes in
-- the order in which it was published; a replayed entry has an r in front.
--
-- giveBack(key, id, due, attempts): attempts is the count that stands until the next delivery.
-- include: hold
-- include: ids
local function giveBack(key, id, due, attempts)
  c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
  c('ZADD', again, due, (key == replay and 'r' or '') .. sortable(id))
end
