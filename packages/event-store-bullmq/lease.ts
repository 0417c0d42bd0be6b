import { EventStoreError, type Lease } from "@signalbox/event-store";
import type { JobHeader } from "./job.js";

/** What a lease needs to know of the consumer that holds it. */
export interface LeaseHolder {
  readonly subscriber: string;
  readonly leaseMs: number;
  readonly perKey: number;
  /** The lease ended, one way or another. */
  released(lease: JobLease): void;
  /** The lease lasts its full time again. */
  extended(lease: JobLease): void;
}

/** A job as the claim answers it: id, header, body, due, attempts, crashes, crashes alone, progress. */
export type ClaimedJob = readonly (string | null)[];

export class JobLease implements Lease {
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
  readonly outbox: boolean;
  readonly jobId: string;
  /** Drawn for one claim; a job that was offered again carries another. */
  readonly token: string;
  readonly header: JobHeader;
  readonly holder: LeaseHolder;
  #ended = false;

  constructor(job: ClaimedJob, token: string, holder: LeaseHolder) {
    const [jobId, header, body, dueAtMs, attempts, crashes, crashesAlone, progress] = job;
    if (typeof jobId !== "string" || typeof header !== "string" || typeof body !== "string")
      throw new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", { message: "Redis answered with half a job" });
    // Written by this package.
    this.header = JSON.parse(header) as JobHeader;
    this.jobId = jobId;
    this.deliveryId = this.header.deliveryId;
    this.subscription = this.header.subscription;
    this.body = body;
    this.key = this.header.key ?? null;
    this.attempts = Number(attempts ?? 0);
    this.crashes = Number(crashes ?? 0);
    this.crashesAlone = Number(crashesAlone ?? 0);
    this.progress = progress ?? null;
    this.dueAtMs = Number(dueAtMs);
    this.firstDueAtMs = this.header.first;
    this.outbox = this.header.outbox ?? false;
    this.token = token;
    this.holder = holder;
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.holder.released(this);
  }
}
