-- span(key, first, last, most): how many entries stand between two ids, counted up to most and a few more; and the last
-- one that was counted.
local function span(key, first, last, most)
  local n, id = 0, nil
  repeat
    local some = redis.call('XRANGE', key, first, last, 'COUNT', 200)
    n = n + #some
    if #some > 0 then
      id = some[#some][1]
      first = '(' .. id
    end
  until #some < 200 or n > most
  return n, id
end
