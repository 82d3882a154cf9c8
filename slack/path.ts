/**
 * The path that a request asks for, whatever its `Host` header says.
 *
 * @module
 */

/**
 * Returns the path of a request, normalised as in a URL (dot segments resolved, percent-encoded), without the query.
 *
 * A server's `request.url` is put together from the `Host` header, which the sender chooses freely: it may be missing,
 * may not be a host at all, or may contain a path of its own. Such a URL does not parse, or parses to a path that the
 * request did not ask for, and Bun gives a bare path in place of a URL. So the path is taken from what follows the host.
 *
 * @returns The path, or `undefined` when the request has none.
 */
export function pathOf(request: Request): string | undefined {
  try {
    return normalizePath(targetOf(request.url, request.headers.get("host")));
  } catch {
    return undefined; // a runtime may refuse to make a URL of it at all
  }
}

/** Returns the path of a request target such as `/a/../b?c`, or `undefined` when it does not start with a slash. */
export function normalizePath(target: string | null): string | undefined {
  return target?.startsWith("/") ? new URL("http://h" + target).pathname : undefined; // any origin will do
}

function targetOf(url: string, host: string | null): string {
  const rest = url.replace(/^https?:\/\//i, "");
  if (rest === url) return url;
  if (host && rest.startsWith(`${host}/`)) return rest.slice(host.length);
  return rest.replace(/^[^/?#]*/, "") || "/";
}
