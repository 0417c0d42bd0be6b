import type { Lease } from "../transport.js";
import type { ClaimedRow, RareColumns } from "./engine.js";

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
    const rare = row.rare == null ? row : readRare(row.rare);
    this.deliveryId = row.id;
    this.subscription = row.subscription;
    this.body = row.body;
    this.key = rare.key ?? null;
    this.attempts = rare.attempts ?? 0;
    this.crashes = rare.crashes ?? 0;
    this.crashesAlone = rare.crashes_alone ?? 0;
    this.progress = rare.progress ?? null;
    this.dueAtMs = row.due_at_ms;
    this.firstDueAtMs = rare.first_due_at_ms ?? row.due_at_ms;
    this.seq = row.seq;
    this.lease = lease;
    this.boundedBytes = rare.bounded_bytes ?? null;
    this.lockName = rare.lock_name ?? null;
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

function readRare(json: string): RareColumns {
  // The database writes it and nobody else.
  return JSON.parse(json) as RareColumns;
}
