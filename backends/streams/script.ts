/**
 * Scripts that the server runs, and the pieces of Lua that several of them share.
 *
 * @module
 */

/** What is known of a script. */
export interface ScriptTraits {
  /** Running it again, because its answer was lost, does no harm and answers the same. Default: false. */
  readonly repeatable?: boolean;
  /** It brings messages, which are then to be kept. Default: false. */
  readonly publishes?: boolean;
}

/** A script, and the name under which a server remembers it. */
export class Script {
  /** What is sent: without comments and indentation. */
  readonly source: string;
  /** See {@link ScriptTraits}. */
  readonly repeatable: boolean;
  /** See {@link ScriptTraits}. */
  readonly publishes: boolean;
  /** SHA-1 of the source, in hex, once {@link prepare} has made it. */
  sha: string | undefined;

  /** A script made of pieces of Lua. */
  constructor(pieces: readonly string[], { repeatable = false, publishes = false }: ScriptTraits = {}) {
    this.source = pieces.join("\n").replace(/^[ \t]*(--.*)?\n/gm, "").replace(/^[ \t]+/gm, "").trim();
    this.repeatable = repeatable;
    this.publishes = publishes;
  }

  /** Makes the name under which servers remember the script. */
  async prepare(): Promise<string> {
    const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(this.source));
    return this.sha = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}

/**
 * The server's time. `now` is in whole milliseconds, rounded down: what is due at `now` is due. `from(ms)` is the first
 * whole millisecond that is not earlier than `ms` from this moment. `int` writes a number in full.
 */
export const TIME = `
local c = redis.call
local clock = c('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function from(ms) return now + 1 + ms end
local function int(x) return string.format('%.0f', x) end
`;

/** Tells HTTP consumers, who listen to the channel. Not every user of a server may use channels: that must not fail a publish. */
export const TELL = `
local function tell(channel) redis.pcall('PUBLISH', channel, '') end
`;

/** Makes readers who are blocked look again. */
export const WAKE = `
local function wake(key, channel)
  c('XADD', key, 'MAXLEN', '1', '*', 'w', '')
  tell(channel)
end
`;

/** The consumer that holds what was given back until it is due; it has no lease. */
export const HOLD = "local HOLD = 'given-back'";

/**
 * `trim(stream)` removes what every group has settled, and nothing else: all entries before the oldest that some
 * group, ours or not, has pending or has not been given yet.
 */
export const TRIM = `
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function trim(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return end
  local ms, seq
  for _, group in ipairs(groups) do
    local is = {}
    for i = 1, #group, 2 do is[group[i]] = group[i + 1] end
    local oldest = is.pending > 0 and c('XPENDING', stream, is.name, '-', '+', 1)[1]
    local m, s
    if oldest then
      m, s = parts(oldest[1])
    else
      m, s = parts(is['last-delivered-id'])
      s = s + 1
    end
    if not ms or m < ms or m == ms and s < seq then ms, seq = m, s end
  end
  if ms then c('XTRIM', stream, 'MINID', int(ms) .. '-' .. int(seq)) end
end
`;
