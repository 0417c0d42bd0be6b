import { EventStoreError, type Lease } from "@signalbox/event-store";
import { type JobHeader, readHeader } from "./job.js";

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

/** A job as the claim answers it: id, header, body, due, attempts, crashes, crashes alone, progress, name. */
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
  readonly unreadable: string | undefined;
  readonly jobId: string;
  /** Drawn for one claim; a job that was offered again carries another. */
  readonly token: string;
  readonly header: JobHeader;
  readonly holder: LeaseHolder;
  #ended = false;

  constructor(job: ClaimedJob, token: string, holder: LeaseHolder) {
    const [jobId, header, body, dueAtMs, attempts, crashes, crashesAlone, progress, name] = job;
    if (typeof jobId !== "string" || typeof header !== "string" || typeof body !== "string")
      throw new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", { message: "Redis answered with half a job" });
    const known = readHeader(header);
    this.unreadable = known ? undefined : "what the job says of its delivery cannot be read";
    this.header = known ?? headerLeft(jobId, holder.subscriber, name ?? "unknown", Number(dueAtMs));
    this.jobId = jobId;
    this.deliveryId = this.header.deliveryId;
    this.subscription = this.header.subscription;
    this.body = body;
    this.key = this.header.key ?? null;
    this.attempts = countIn(attempts);
    this.crashes = countIn(crashes);
    this.crashesAlone = countIn(crashesAlone);
    this.progress = progress ?? null;
    this.dueAtMs = countIn(dueAtMs);
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

/** Nobody else writes it, as a rule. */
function countIn(text: string | null | undefined): number {
  const count = Number(text ?? 0);
  return Number.isFinite(count) ? count : 0;
}

/** What can be told of a job whose header is lost. Its place among others of its key is tidied up by the watch. */
function headerLeft(id: string, queue: string, type: string, dueAtMs: number): JobHeader {
  const subscription = `${queue}/${type}`;
  return { id, deliveryId: `${id}.${subscription}`, queue, subscription, type, first: dueAtMs || 0 };
}
