/**
 * Calls that wait for the broker over something that may break before it answers.
 *
 * @module
 */

/** Follows calls until they settle, or until what carries them is gone. */
export class PendingCalls {
  readonly #rejecting: Set<(error: unknown) => void> = new Set();
  #ended: { readonly error: unknown } | undefined;

  /**
   * Follows a call.
   *
   * @returns What the call resolves with.
   * @throws The error of the call, or that of {@link PendingCalls.end} where the call does not settle.
   */
  follow<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#rejecting.add(reject);
      call.then(resolve, reject).then(() => this.#rejecting.delete(reject));
      if (this.#ended) this.#rejectSoon();
    });
  }

  /** Rejects all calls, those that come later included. The first error counts. */
  end(error: unknown): void {
    this.#ended ??= { error };
    this.#rejectSoon();
  }

  /** A turn later: where the client has an answer, or knows more about what happened, that counts. */
  #rejectSoon(): void {
    setTimeout(() => {
      for (const reject of this.#rejecting) reject(this.#ended?.error);
      this.#rejecting.clear();
    });
  }
}
