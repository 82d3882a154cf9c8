/**
 * Takes secrets and payloads out of errors before anybody sees them.
 *
 * @module
 */

const HIDDEN = "<redacted>";

/** Replaces each of the secrets in a text. */
export function redactText(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) if (secret !== "") clean = clean.replaceAll(secret, HIDDEN);
  return clean;
}

/**
 * A copy of an error that keeps its name, message, stack, code and cause, with secrets taken out, and nothing
 * else: clients hang whole commands, payload included, on their errors.
 */
export function redactError(error: unknown, secrets: readonly string[], depth = 0): unknown {
  if (typeof error === "string") return redactText(error, secrets);
  if (!(error instanceof Error)) return typeof error === "object" && error !== null ? String(error) : error;
  const clean = new Error(redactText(error.message, secrets));
  // The name is set where console and inspect look for it, and as little seen as on any other error.
  Object.defineProperty(clean, "name", { value: error.name, configurable: true, writable: true });
  if (error.stack !== undefined) {
    Object.defineProperty(clean, "stack", {
      value: redactText(error.stack, secrets),
      configurable: true,
      writable: true,
    });
  }
  const { code } = error as { code?: unknown };
  if (typeof code === "string" || typeof code === "number") Object.assign(clean, { code });
  if (error.cause !== undefined && depth < 5) clean.cause = redactError(error.cause, secrets, depth + 1);
  return clean;
}
