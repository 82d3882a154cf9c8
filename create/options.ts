/**
 * The options of a new package.
 *
 * @module
 */

/** How messages reach a consumer: it asks for them, the platform pushes them, or there are no leases at all. */
export type Transport = "pull" | "push" | "plain";

/** Every transport. */
export const TRANSPORTS: readonly Transport[] = ["pull", "push", "plain"];

/** Options of `createPlugin`. */
export interface CreateOptions {
  /**
   * The scope to publish under, with `@` in front or without.
   *
   * @default "@my-scope"
   */
  readonly scope?: string | undefined;
  /**
   * One sentence about the package.
   *
   * @default "Queues of <name> for \@slack-mcp/queue."
   */
  readonly description?: string | undefined;
  /**
   * How messages reach a consumer. `"pull"`: a driver with leases. `"push"`: a driver that sends, for platforms that
   * call the consumer. `"plain"`: publish, consume and close, without a driver.
   *
   * @default "pull"
   */
  readonly transport?: Transport | undefined;
  /** A folder with a checkout of `@slack-mcp/queue` to use in place of the published package. */
  readonly link?: string | undefined;
}
