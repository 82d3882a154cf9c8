/**
 * Takes secrets and payloads out of errors before anybody sees them.
 *
 * @module
 */

const HIDDEN = "<redacted>";

/** Replaces each of the secrets in a text. */
export function redactText(text: string, secrets: readonly string[]): string {
  let clean = text;
  // The longest first: one that is a part of another would leave the rest of it to be read.
  const there = secrets.filter((secret) => secret !== "" && text.includes(secret)).sort((a, b) => b.length - a.length);
  for (const secret of there) clean = clean.replaceAll(secret, HIDDEN);
  return clean;
}

/** Text of what may refuse to be made text. */
function textOf(read: () => unknown): string {
  try {
    return String(read());
  } catch {
    return "unprintable"; // its own toString threw
  }
}

/** What an error says, whatever was thrown: anything can be, also what cannot be made text. */
export function messageOf(error: unknown): string {
  return textOf(() => error instanceof Error ? error.message : error);
}

/**
 * A copy of an error that keeps its name, message, stack, code and cause, with secrets taken out, and nothing
 * else: clients hang whole commands, payload included, on their errors.
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
