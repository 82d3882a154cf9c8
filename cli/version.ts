/**
 * The version of this package: the same as in deno.json, which a test compares.
 *
 * @module
 */

/** The version. */
export const VERSION = "0.1.0";
