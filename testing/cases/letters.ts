/**
 * Steps of the cases about dead letters.
 *
 * @module
 */
import type { DeadLetter, DeadLetterQuery, LeasingBackend } from "../../core/protocol.ts";
import type { CaseContext } from "../case.ts";
import { check } from "../check.ts";
import { putNumbers } from "./support.ts";

/** All dead letters of a key. */
export async function letters(
  t: CaseContext,
  backend: LeasingBackend,
  key: string,
  query?: DeadLetterQuery,
): Promise<DeadLetter[]> {
  const list = async () => {
    const found: DeadLetter[] = [];
    for await (const letter of backend.deadLetters.list(key, query)) found.push(letter);
    return found;
  };
  return await t.settles(list(), "the list of dead letters");
}

/** Publishes numbers and gives up each. */
export async function deadLetterNumbers(
  t: CaseContext,
  backend: LeasingBackend,
  key: string,
  count: number,
): Promise<void> {
  await putNumbers(t, backend, key, count);
  const deliveries = await t.receive(backend, key, { prefetch: count }).take(count, "the messages");
  // One after the other was asked for, so that their order is known.
  const buried = deliveries.map((delivery) => delivery.deadLetter(`no use for ${delivery.payload.n}`));
  check((await t.settles(Promise.all(buried), "the dead letters")).every(Boolean), "a dead letter was refused");
  const listed = Math.min(count, t.maxListed);
  await t.becomes(async () => (await letters(t, backend, key)).length === listed, `${listed} dead letters`);
}

/** The causes, as texts. */
export function causes(found: readonly DeadLetter[]): string[] {
  return found.map(({ cause }) => `${cause.name}: ${cause.message}`);
}
