/**
 * The path that a request asks for, whatever its `Host` header says.
 *
 * @module
 */

/** Any valid origin: only the path after it is of interest. */
const ORIGIN = "http://localhost";

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
export function normalizePath(target: string): string | undefined {
  if (!target.startsWith("/")) return undefined;
  return new URL(ORIGIN + target).pathname;
}

function targetOf(url: string, host: string | null): string {
  const [scheme = ""] = /^https?:\/\//i.exec(url) ?? [];
  const rest = url.slice(scheme.length);
  if (scheme === "") return rest;
  if (host && rest.startsWith(`${host}/`)) return rest.slice(host.length);
  const path = rest.search(/[/?#]/);
  return path < 0 ? "/" : rest.slice(path);
}
