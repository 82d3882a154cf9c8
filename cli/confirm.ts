/**
 * Asks before something is removed.
 *
 * @module
 */
import { UsageError } from "./arguments.ts";
import type { Io } from "./io.ts";

/**
 * Resolves where the operator has agreed: by `--yes`, or by an answer.
 *
 * @throws {UsageError} Nobody can be asked, and `--yes` is not given.
 * @throws {Error} The answer was not yes.
 */
export async function confirm({ stdin, signal }: Io, question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!stdin.isTTY) throw new UsageError(`${question} Add --yes: there is nobody to ask`);
  const answer = await stdin.ask(`${question} [y/N] `, signal);
  signal.throwIfAborted();
  if (!/^y(es)?$/i.test(answer?.trim() ?? "")) throw new Error("Nothing was done: the answer was not yes");
}
