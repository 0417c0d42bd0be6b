const messagesInGeneration = 32_768;

/**
 * Remembers the messages that this process has settled last. A server that is killed may hand out again what it had
 * already taken as settled, because it writes that down with a delay.
 */
export class RecentMessages {
  /** Ids by place: a place costs less to look up, and a stream that was made anew gives the same places again. */
  #young = new Map<number, string>();
  #old = new Map<number, string>();

  add(streamSeq: number, messageId: string): void {
    this.#young.set(streamSeq, messageId);
    if (this.#young.size < messagesInGeneration) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  has(streamSeq: number, messageId: () => string): boolean {
    const known = this.#young.get(streamSeq) ?? this.#old.get(streamSeq);
    return known !== undefined && known === messageId();
  }
}
