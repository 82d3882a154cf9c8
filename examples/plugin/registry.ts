/**
 * The further backends that `QUEUE_BACKEND` may name: one line here, and one in the import map.
 *
 * @module
 */

/** Each backend by its name. */
export const backends = { nats: () => import("@acme/nats-queue") };
