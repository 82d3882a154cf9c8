/**
 * Removes secrets and payloads from errors.
 *
 * @module
 */

const HIDDEN = "<redacted>";

/** Letters, numbers and words of any text: hiding one would say which it is. */
const COMMON = /^(.|\d\d|an|[aiu]s|i[fnt]|o[fnr]|to|no|at|by|be|do|up|we|so)$/i;

/**
 * Replaces each of the secrets in a text.
 *
 * A secret of one or two characters is replaced only where it stands by itself, and not at all where it is a letter, a
 * number or a word such as "is": taken out of every word that has it, it would leave nothing to read, and show itself by what is missing.
 */
export function redactText(text: string, secrets: readonly string[]): string {
  let clean = text;
  // The longest first: one that is a part of another would leave the rest of it to be read.
  const there = secrets.filter((secret) => secret !== "" && text.includes(secret)).sort((a, b) => b.length - a.length);
  for (const secret of there) {
    if (secret.length > 2) clean = clean.replaceAll(secret, HIDDEN);
    else if (!COMMON.test(secret)) {
      clean = clean.split(/([\s:@"'`,/]+)/).map((part) => part === secret ? HIDDEN : part).join("");
    }
  }
  return clean;
}

/** Returns the text of a value whose `toString` may throw. */
function textOf(read: () => unknown): string {
  try {
    return String(read());
  } catch {
    return "unprintable"; // its own toString threw
  }
}

/** Returns the message of anything that was thrown. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return "unprintable"; // its own toString threw
  }
}

/**
 * Returns the message of an error together with the code of what caused it, such as `fetch failed (ECONNREFUSED)`.
 *
 * Runtimes differ in where they say why a connection failed: in the message, in `code`, in `cause`, or in the errors
 * of an `AggregateError` whose own message is empty.
 */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let at = error, depth = 0; at !== undefined && at !== null && depth < 5; depth++) {
    const { code, cause, errors } = at as { code?: unknown; cause?: unknown; errors?: readonly unknown[] };
    for (const part of [messageOf(at), typeof code === "string" ? code : ""]) {
      if (part !== "" && !parts.some((known) => known.includes(part))) parts.push(part);
    }
    at = cause ?? errors?.[0];
  }
  const [first = "unknown", ...rest] = parts;
  return rest.length > 0 ? `${first} (${rest.join(", ")})` : first;
}

/**
 * Copies the name, message, stack, code and cause of an error, without secrets, and nothing else: clients attach whole
 * commands, payloads included, to their errors.
 */
export function redactError(error: unknown, secrets: readonly string[], depth = 0): unknown {
  if (!(error instanceof Error)) {
    return typeof error === "string" || typeof error === "object" && error !== null
      ? redactText(messageOf(error), secrets)
      : error;
  }
  const { code, cause } = error as Error & { readonly code?: unknown };
  const clean = new Error(redactText(messageOf(error), secrets));
  // The name and the stack are set where console and inspect look for them, and as little seen as on any other error.
  for (const key of ["name", "stack"] as const) {
    const value = redactText(textOf(() => error[key] ?? ""), secrets); // a stack may be written when it is asked for
    Object.defineProperty(clean, key, { value, configurable: true, writable: true });
  }
  if (typeof code === "string" || typeof code === "number") Object.assign(clean, { code });
  if (cause !== undefined && depth < 5) clean.cause = redactError(cause, secrets, depth + 1);
  return clean;
}
