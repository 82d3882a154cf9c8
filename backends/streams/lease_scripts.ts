/**
 * The scripts that settle and renew.
 *
 * Both are fenced by the lease: as long as it has not ended by the server's clock, nobody can have taken anything from
 * it, so that what was acknowledged under it was ours. When it has ended, each entry is looked at by itself.
 *
 * @module
 */
import { HOLD, Script, TELL, TIME, TRIM, WAKE } from "./script.ts";

const OWNED = `
local lease, valid
local function under(name)
  lease = name
  local ends = c('ZSCORE', leases, name)
  valid = ends and tonumber(ends) > now
end
local function split(member)
  if string.sub(member, 1, 1) == 'r' then return replay, string.sub(member, 2) end
  return stream, member
end
local function owned(key, id)
  local held = redis.pcall('XPENDING', key, group, id, id, 1)[1]
  return held and held[2] == lease and held[4]
end
`;

/**
 * KEYS: stream, wake, leases, again, replay, dead. ARGV: group, channel, then any of
 * `lease NAME` (what follows is under it), `ack N id…`, `retry id MS`, `release id`, `dead id NAME MESSAGE`.
 * Answers a `1` or a `0` for each settlement, in the order of ARGV.
 *
 * Any but an acknowledgement is done only where the entry is still this lease's, since doing it twice could take the
 * entry from whoever got it next. Not there although the lease lasts: it was settled by a call whose reply was lost.
 */
export const SETTLE = new Script([
  TIME,
  TELL,
  WAKE,
  HOLD,
  TRIM,
  `
  local stream, waking, leases, again, replay, dead = unpack(KEYS)
  local group, channel = ARGV[1], ARGV[2]
  `,
  OWNED,
  `
  local answer, i, settled, given = {}, 3, false, false
  local function say(yes) answer[#answer + 1] = yes and '1' or '0' end
  local function done(key, id)
    c('XACK', key, group, id)
    if key == replay then c('XDEL', key, id) end
    settled = true
  end
  local function giveBack(key, id, member, due, count)
    c('XCLAIM', key, group, HOLD, 0, id, 'RETRYCOUNT', count, 'JUSTID')
    c('ZADD', again, due, member)
    given = true
  end
  local act = {}
  act['retry'] = function(key, id, member, count)
    local delay = tonumber(ARGV[i + 2])
    giveBack(key, id, member, delay > 0 and int(from(delay)) or int(now), count)
  end
  act['release'] = function(key, id, member, count)
    -- By age: what is given back comes again in the order in which it was published. A score of this size has twelve
    -- bits to spare for the order within a millisecond.
    local ms, seq = parts(id)
    giveBack(key, id, member, string.format('%.6f', ms - 1 + math.min(seq, 4095) / 4096), count - 1)
  end
  act['dead'] = function(key, id, member, count)
    local letter = { 'XADD', dead, '*', 'error', ARGV[i + 2], 'message', ARGV[i + 3], 'attempts', count, 'entry', member }
    local entry = c('XRANGE', key, id, id)[1]
    for _, text in ipairs(entry and entry[2] or {}) do letter[#letter + 1] = text end
    c(unpack(letter))
    done(key, id)
  end
  local length = { retry = 3, release = 2, dead = 4 }
  while i <= #ARGV do
    local what = ARGV[i]
    if what == 'lease' then
      under(ARGV[i + 1])
      i = i + 2
    elseif what == 'ack' then
      local n = tonumber(ARGV[i + 1])
      if valid and string.sub(ARGV[i + 2], 1, 1) ~= 'r' then
        c('XACK', stream, group, unpack(ARGV, i + 2, i + 1 + n))
        for _ = 1, n do say(true) end
        settled = true
      else
        for j = i + 2, i + 1 + n do
          local key, id = split(ARGV[j])
          local ours = valid or owned(key, id)
          if ours then done(key, id) end
          say(ours)
        end
      end
      i = i + 2 + n
    else
      local member = ARGV[i + 1]
      local key, id = split(member)
      local count = owned(key, id)
      if count then act[what](key, id, member, count) end
      say(count or valid)
      i = i + length[what]
    end
  end
  if settled then trim(stream) end
  if given then wake(waking, channel) end
  return table.concat(answer)
  `,
]);

/**
 * KEYS: stream, leases, replay. ARGV: group, milliseconds, then for each lease: its name, the name of a new lease, how
 * many entries, and the entries. A lease that holds just these is made longer. One that holds others too, which nobody
 * wants longer or knows of, keeps them and its end, and these move to the new lease.
 * Answers for each lease one text: `k` where it was kept, or `m` where its entries moved, then a `1` or a `0` for each.
 */
export const EXTEND = new Script([
  TIME,
  `
  local stream, leases, replay = unpack(KEYS)
  local group, ms = ARGV[1], tonumber(ARGV[2])
  `,
  OWNED,
  `
  local held = {}
  for _, key in ipairs({ stream, replay }) do
    local pending = redis.pcall('XPENDING', key, group)
    for _, consumer in ipairs(pending[4] or {}) do
      held[consumer[1]] = (held[consumer[1]] or 0) + tonumber(consumer[2])
    end
  end
  local answers, i = {}, 3
  while i <= #ARGV do
    under(ARGV[i])
    local new, n = ARGV[i + 1], tonumber(ARGV[i + 2])
    local answer = 'k'
    if valid and held[lease] == n then
      c('ZADD', leases, int(from(ms)), lease)
      answer = answer .. string.rep('1', n)
    else
      answer = 'm'
      local moved = false
      for j = i + 3, i + 2 + n do
        local key, id = split(ARGV[j])
        local ours = owned(key, id)
        if ours then
          c('XCLAIM', key, group, new, 0, id, 'JUSTID')
          moved = true
        end
        answer = answer .. (ours and '1' or '0')
      end
      if moved then c('ZADD', leases, int(from(ms)), new) end
    end
    answers[#answers + 1] = answer
    i = i + 3 + n
  end
  return answers
  `,
], { repeatable: true });
