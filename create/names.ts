/**
 * The names of a generated package, in the spelling of each place.
 *
 * @module
 */

/** Names that the registry allows: lower-case words of letters and digits between single hyphens. */
const WORDS = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Names that mean something else in a registry map, or on a file system. */
const RESERVED: readonly string[] = ["memory", "sqlite", "redis", "upstash", "cloudflare", "rabbitmq", "node-modules"];

/** A package's name in each spelling. */
export interface Names {
  /** `"my-queue"`: the folder and the package. */
  readonly name: string;
  /** `"@my-scope"`. */
  readonly scope: string;
  /** `"my_queue"`: the value of `QUEUE_BACKEND`. */
  readonly key: string;
  /** `"MY_QUEUE"`: the prefix of variables. */
  readonly prefix: string;
  /** `"MyQueue"`: the start of class names. */
  readonly pascal: string;
}

function check(what: string, value: unknown, least: number, most: number): asserts value is string {
  const allowed = `${least} to ${most} lower-case letters and digits in words with hyphens between, such as "my-queue"`;
  if (typeof value !== "string") throw new TypeError(`${what} must be text: ${allowed}`);
  if (!WORDS.test(value) || value.length < least || value.length > most) {
    throw new RangeError(`${what} must be ${allowed}, found ${JSON.stringify(value.slice(0, 60))}`);
  }
}

/**
 * Validates a package's name and scope, and spells them.
 *
 * @param name Such as `"my-queue"`.
 * @param scope Such as `"my-scope"`, with `@` in front or without.
 * @throws {TypeError | RangeError} A name that the registry does not take, or that is a backend of `@slack-mcp/queue`.
 */
export function spell(name: string, scope: string): Names {
  check("name", name, 2, 58);
  const bare = typeof scope === "string" ? scope.replace(/^@/, "") : scope;
  check("scope", bare, 2, 20);
  if (RESERVED.includes(name)) {
    throw new RangeError(`name must not be one that is taken, found ${JSON.stringify(name)}`);
  }
  const words = name.split("-");
  return {
    name,
    scope: `@${bare}`,
    key: words.join("_"),
    prefix: words.join("_").toUpperCase(),
    pascal: words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join(""),
  };
}
