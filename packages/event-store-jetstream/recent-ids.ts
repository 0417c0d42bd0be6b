const idsInGeneration = 32_768;

/**
 * Remembers the messages that this process has settled last. A server that is killed may hand out again what it had
 * already taken as settled, because it writes that down with a delay.
 */
export class RecentIds {
  #young = new Set<string>();
  #old = new Set<string>();

  add(id: string): void {
    this.#young.add(id);
    if (this.#young.size < idsInGeneration) return;
    this.#old = this.#young;
    this.#young = new Set();
  }

  has(id: string): boolean {
    return this.#young.has(id) || this.#old.has(id);
  }
}
