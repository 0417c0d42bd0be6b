import { eventsIn, isGroupBody } from "./handled-items.js";
import type { EffectiveWork } from "./registry.js";
import type { Lease } from "./transports/transport.js";

/** Deliveries of one worker that wait for a slot, oldest first. */
export class WaitingLine {
  readonly #batch: EffectiveWork["batch"];
  #leases: Lease[] = [];
  #bytes = 0;
  #events = 0;

  constructor(batch: EffectiveWork["batch"]) {
    this.#batch = batch;
  }

  get isEmpty(): boolean {
    return this.#leases.length === 0;
  }

  push(lease: Lease): void {
    this.#leases.push(lease);
    this.#bytes += lease.body.length;
    this.#events += this.#countOf(lease);
  }

  /** Whether the first ones make a call that nothing could be added to. */
  isFull(): boolean {
    const [first] = this.#leases;
    if (!this.#batch || !first) return false;
    const { maxSize, maxBytes } = this.#batch;
    return this.#events >= maxSize || (maxBytes !== null && this.#bytes >= maxBytes) || this.#standsAlone(first);
  }

  /** Takes the deliveries of the next call: one, or a batch up to the limits of size and bytes. */
  take(maxSize = this.#batch?.maxSize ?? 1): Lease[] {
    let count = 1;
    let [bytes, events] = this.#sizeOf(this.#leases[0]);
    while (count < this.#leases.length && !this.#standsAlone(this.#leases[0])) {
      const next = this.#leases[count];
      const [moreBytes, moreEvents] = this.#sizeOf(next);
      if (this.#standsAlone(next) || !this.#hasRoom(bytes + moreBytes, events + moreEvents, maxSize)) break;
      bytes += moreBytes;
      events += moreEvents;
      count++;
    }
    this.#bytes -= bytes;
    this.#events -= events;
    return this.#leases.splice(0, count);
  }

  remove(lease: Lease): void {
    const left = this.#leases.filter((other) => other !== lease);
    this.takeAll();
    for (const other of left) this.push(other);
  }

  takeAll(): Lease[] {
    const leases = this.#leases;
    this.#leases = [];
    this.#bytes = 0;
    this.#events = 0;
    return leases;
  }

  #hasRoom(bytes: number, events: number, maxSize: number): boolean {
    if (!this.#batch) return false;
    return events <= maxSize && (this.#batch.maxBytes === null || bytes <= this.#batch.maxBytes);
  }

  #sizeOf(lease: Lease | undefined): [bytes: number, events: number] {
    return lease ? [lease.body.length, this.#countOf(lease)] : [0, 0];
  }

  #countOf(lease: Lease): number {
    return this.#batch?.joinGroups ? eventsIn(lease.body) : 1;
  }

  /** A group is one list for its handler unless that takes them together. */
  #standsAlone(lease: Lease | undefined): boolean {
    return lease !== undefined && this.#batch?.joinGroups !== true && isGroupBody(lease.body);
  }
}
