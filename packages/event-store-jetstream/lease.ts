import type { Lease, LeaseMark } from "@signalbox/event-store";
import type { Note } from "./notes.js";
import { type AckSubject, messageIdOf, type Wire } from "./wire.js";

/** What a lease needs to know of the consumer that holds it. */
export interface LeaseHolder {
  readonly subscriber: string;
  readonly leaseMs: number;
  /** The lease ended, one way or another. */
  released(lease: JetStreamLease): void;
  /** Something of the partition may be available again. */
  wakePartition(partition: string): void;
}

/** The holder gives a lease up this much before the server does, so that never both believe to have it. */
const caution = 0.95;

export class JetStreamLease implements Lease {
  readonly wire: Wire;
  readonly ackSubject: string;
  readonly streamSeq: number;
  readonly delivered: number;
  readonly partition: string;
  readonly holder: LeaseHolder;
  /** Times that it was handed out and came back in good order, or never arrived anywhere. */
  readonly returned: number;
  /** What the note says of that: another number is another note. */
  readonly notedReturned: number;
  /** There is a note on the message. */
  noted: boolean;
  /** Its end is being told: a sign of life after that would keep the server from handing it out again. */
  settling = false;
  /** The same message is to be handed out again after that end. */
  comesBack = false;
  /** What the note will say of crashes after it was marked. */
  readonly notedCrashes: Readonly<Record<LeaseMark, number>>;
  readonly dueAtMs: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly progress: string | null;
  readonly body: string;
  #deadlineMs = 0;
  #ended = false;

  constructor(
    wire: Wire,
    ackSubject: string,
    { streamSeq, delivered }: AckSubject,
    partition: string,
    note: Note | undefined,
    holder: LeaseHolder,
  ) {
    this.wire = wire;
    this.ackSubject = ackSubject;
    this.streamSeq = streamSeq;
    this.delivered = delivered;
    this.partition = partition;
    this.holder = holder;
    this.noted = note !== undefined;
    // While nobody had it, nobody can have died with it: the server also counts what it never sent.
    const unsent = note?.waiting ? Math.max(0, delivered - 1 - (note.handedOut ?? delivered)) : 0;
    this.notedReturned = note?.returned ?? 0;
    this.returned = this.notedReturned + unsent;
    const crashesSince = (markedAt: number | null | undefined): number =>
      markedAt != null && markedAt < delivered ? 1 : 0;
    this.notedCrashes = {
      alone: (note?.crashesAlone ?? 0) + crashesSince(note?.aloneAt),
      begun: (note?.crashesBegun ?? 0) + crashesSince(note?.begunAt),
    };
    const unmarked = delivered - 1 - this.returned - this.notedCrashes.alone - this.notedCrashes.begun;
    // Without a mark the first one counts alone. A server may have forgotten at its own end how often it had handed it out.
    this.crashes = Math.max(wire.crashes, Math.min(1, unmarked)) + this.notedCrashes.begun;
    this.dueAtMs = note?.dueAtMs ?? wire.dueAtMs;
    this.attempts = note?.attempts ?? wire.attempts;
    this.progress = note?.attempts === null || note === undefined ? wire.progress : note.progress;
    this.body = note?.body ?? wire.body;
  }

  get deliveryId(): string {
    return this.wire.id;
  }

  get subscription(): string {
    return this.wire.subscription;
  }

  get key(): string | null {
    return this.wire.key;
  }

  get crashesAlone(): number {
    return this.wire.crashesAlone + this.notedCrashes.alone;
  }

  get firstDueAtMs(): number {
    return this.wire.firstDueAtMs;
  }

  get unreadable(): string | undefined {
    return this.wire.unreadable;
  }

  get outbox(): boolean {
    return this.wire.outbox;
  }

  get messageId(): string {
    return messageIdOf(this.wire);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** @param sinceMs monotonic time at which the server had certainly not yet begun to count */
  prolong(sinceMs: number): void {
    this.#deadlineMs = sinceMs + this.holder.leaseMs * caution;
  }

  isOver(monotonicMs: number): boolean {
    return this.#ended || monotonicMs >= this.#deadlineMs;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.holder.released(this);
  }
}
