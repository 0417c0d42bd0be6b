import type { Lease } from "../transport.js";
import type { ClaimedRow } from "./engine.js";

/** What a lease needs to know of the consumer that holds it. */
export interface LeaseHolder {
  readonly subscriber: string;
  readonly leaseMs: number;
  readonly perKey: number;
  /** The lease ended, one way or another. */
  released(): void;
}

export class SqlLease implements Lease {
  readonly deliveryId: string;
  readonly subscription: string;
  readonly body: string;
  readonly key: string | null;
  readonly attempts: number;
  readonly crashes: number;
  readonly crashesAlone: number;
  readonly progress: string | null;
  readonly dueAtMs: number;
  readonly firstDueAtMs: number;
  readonly seq: number;
  /** Drawn for one claim; a row that was offered again carries another. */
  readonly lease: number;
  readonly boundedBytes: number | null;
  readonly lockName: string | null;
  readonly holder: LeaseHolder;
  #ended = false;

  constructor(row: ClaimedRow, lease: number, holder: LeaseHolder) {
    this.deliveryId = row.id;
    this.subscription = row.subscription;
    this.body = row.body;
    this.key = row.key;
    this.attempts = row.attempts;
    this.crashes = row.crashes;
    this.crashesAlone = row.crashes_alone;
    this.progress = row.progress;
    this.dueAtMs = row.due_at_ms;
    this.firstDueAtMs = row.first_due_at_ms;
    this.seq = row.seq;
    this.lease = lease;
    this.boundedBytes = row.bounded_bytes;
    this.lockName = row.lock_name;
    this.holder = holder;
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.holder.released();
  }
}
