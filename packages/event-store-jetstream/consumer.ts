import type { Msg } from "@nats-io/transport-node";
import type { Consumer, ConsumeSpec, Lease } from "@signalbox/event-store";
import { atRoot } from "@signalbox/event-store/adapter";
import { backoffCeilingMs, type Timer } from "@signalbox/kernel";
import type { Allowance } from "./allowance.js";
import { JetStreamLease, type LeaseHolder } from "./lease.js";
import { freePartition } from "./names.js";
import type { Note } from "./notes.js";
import type { JetStreamParts } from "./parts.js";
import { readMessage } from "./read-message.js";
import { Source } from "./source.js";
import type { Tick } from "./tick.js";
import { acknowledgement, messageIdOf, readAckSubject, storedAtMs, type Wire } from "./wire.js";

export interface ConsumerOptions {
  readonly spec: ConsumeSpec;
  readonly onBatch: (leases: readonly Lease[]) => void;
  readonly parts: JetStreamParts;
  readonly allowance: Allowance;
  readonly tick: Tick;
  readonly handBack: (leases: readonly JetStreamLease[]) => Promise<void>;
  readonly onStop: (consumer: JetStreamConsumer) => void;
}

const maxPull = 512;
/** What a pull brings into memory, as far as the ones before tell. */
const maxPullBytes = 8_388_608;
/** How many a limited consumer takes from the stream before it knows whether they may begin. */
const maxRetained = 16;
const limitPollMs = 100;
const lookUpAgainMs = 100;
/** A server that is back is asked this soon. */
const longestPrepareRestMs = 2_000;

/** A message with what it says. */
interface Arrived {
  readonly wire: Wire;
  readonly message: Msg;
  readonly source: Source;
  /** Monotonic; its lease had not begun before. */
  readonly sinceMs: number;
}

/** One subscriber's look into the stream: pulls when there is room and reason to. */
export class JetStreamConsumer implements Consumer, LeaseHolder {
  readonly subscriber: string;
  readonly leaseMs: number;
  readonly spec: ConsumeSpec;
  readonly #options: ConsumerOptions;
  readonly #sources = new Map<string, Source>();
  /** By the place of their message in the stream. */
  readonly #held = new Map<number, JetStreamLease>();
  /** Taken from the stream, but not allowed to begin yet. */
  #retained: JetStreamLease[] = [];
  /** Those that count towards a total over all processes. */
  readonly #permitted = new WeakSet<JetStreamLease>();
  #arrived: Arrived[] = [];
  #handing: Promise<void> | undefined;
  #pumpRequested = false;
  #first = 0;
  /** Moving average of a body; the first pull is careful. */
  #bodyBytes = 65_536;
  #failures = 0;
  #limited = false;
  #stopped = false;
  #stopping: Promise<void> | undefined;
  #keepAlive: Timer | undefined;
  #limitTimer: Timer | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.spec = options.spec;
    this.subscriber = options.spec.subscriber;
    this.leaseMs = options.spec.leaseMs;
    this.#activate(freePartition);
    this.#armKeepAlive();
  }

  wake(): void {
    this.#requestPump();
  }

  /** Something may be in the partition. */
  wakePartition(partition: string): void {
    if (this.#stopped) return;
    const source = this.#sources.get(partition) ?? this.#activate(partition);
    source.wake();
    this.#requestPump();
  }

  released(lease: JetStreamLease): void {
    if (this.#held.get(lease.streamSeq) === lease) this.#held.delete(lease.streamSeq);
    if (this.#permitted.delete(lease)) this.#options.allowance.release(this.subscriber, 1);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    this.#limitTimer?.cancel();
    this.#options.onStop(this);
    const { clock, link } = this.#options.parts;
    const isPulling = (): boolean => link.isUp && [...this.#sources.values()].some(({ reserved }) => reserved > 0);
    while (this.#handing || isPulling()) await (this.#handing ?? clock.sleep(2));
    for (const source of this.#sources.values()) source.close();
    const retained = this.#retained.splice(0);
    if (retained.length > 0) await this.#giveBack(retained);
  }

  /** Leases are not kept alive any more. */
  close(): void {
    this.#keepAlive?.cancel();
    this.#keepAlive = undefined;
  }

  #activate(partition: string): Source {
    const { parts } = this.#options;
    const source = new Source({
      ...parts,
      subscriber: this.subscriber,
      partition,
      leaseMs: this.leaseMs,
      perKey: this.spec.perKey,
      onMessage: (message, from) => this.#arrive(message, from),
      onEnd: () => this.#requestPump(),
      onLost: (lost) => this.#prepareSoon(lost),
    });
    this.#sources.set(partition, source);
    this.#prepare(source);
    return source;
  }

  #prepare(source: Source): void {
    source.prepare().then(
      () => {
        this.#failures = 0;
        this.#requestPump();
      },
      (error: unknown) => {
        const { logger } = this.#options.parts;
        if (this.#failures === 0) logger.warn("a queue could not be opened", { error, subscriber: this.subscriber });
        this.#prepareSoon(source);
      },
    );
  }

  #prepareSoon(source: Source): void {
    this.#failures++;
    const { clock, link } = this.#options.parts;
    clock.setTimer(backoffCeilingMs(this.#failures, { baseMs: 100, maxMs: longestPrepareRestMs }), () => {
      if (this.#stopped) return;
      // A question to a server that is away would only be waited for.
      if (link.isUp) this.#prepare(source);
      else this.#prepareSoon(source);
    });
  }

  // Pulling

  #requestPump(): void {
    if (this.#pumpRequested || this.#stopped) return;
    this.#pumpRequested = true;
    atRoot(() =>
      setImmediate(() => {
        this.#pumpRequested = false;
        if (!this.#stopped) this.#pump();
      }),
    );
  }

  #pump(): void {
    const sources = [...this.#sources.values()];
    // Each time another one goes first, so that a small capacity is shared.
    this.#first = (this.#first + 1) % sources.length;
    for (let index = 0; index < sources.length; index++) {
      const source = sources[(this.#first + index) % sources.length];
      if (!source?.wanted || !this.#options.parts.link.isUp) continue;
      const room = this.#room();
      if (room <= 0) return;
      source.pull(Math.min(room, maxPull, Math.max(1, Math.floor(maxPullBytes / this.#bodyBytes))));
    }
  }

  #room(): number {
    const { capacity, maxInFlight, maxTotal, rateLimit } = this.spec;
    let promised = this.#arrived.length;
    for (const { reserved } of this.#sources.values()) promised += reserved;
    const room = Math.min(capacity() - promised - this.#retained.length, maxInFlight - this.#held.size - promised);
    if (maxTotal === null && rateLimit === null) return room;
    return Math.min(room, maxRetained - this.#retained.length - promised, rateLimit?.max ?? maxTotal ?? maxRetained);
  }

  #arrive(message: Msg, source: Source): void {
    const { parts } = this.#options;
    const wire = readMessage(message, () => readAckSubject(message.reply ?? "").streamSeq, parts);
    if (!wire) return;
    this.#arrived.push({ wire, message, source, sinceMs: this.#options.tick.sinceMs });
    this.#requestHandOut();
  }

  // Handing out

  #requestHandOut(): void {
    if (this.#handing) return;
    this.#handing = new Promise<void>((resolve) => atRoot(() => setImmediate(resolve)))
      .then(() => this.#handOutArrived())
      .catch((error: unknown) => {
        // Their leases run out and they come again.
        this.#options.parts.logger.warn("deliveries could not be handed out", { error, subscriber: this.subscriber });
      })
      .finally(() => {
        this.#handing = undefined;
        if (this.#arrived.length > 0) this.#requestHandOut();
        else this.#requestPump();
      });
  }

  async #handOutArrived(): Promise<void> {
    const arrived = this.#arrived;
    this.#arrived = [];
    const plain: JetStreamLease[] = [];
    const noted: Arrived[] = [];
    let bytes = 0;
    const { settled, link } = this.#options.parts;
    for (const one of arrived) {
      bytes += one.wire.body.length;
      const lease = this.#leaseOf(one, undefined);
      if (settled.has(lease.streamSeq, () => lease.messageId)) {
        if (one.message.reply !== undefined) link.send(one.message.reply, acknowledgement);
        continue;
      }
      if (this.#isHeld(lease)) continue;
      if (isPlain(one, lease)) plain.push(lease);
      else noted.push(one);
    }
    if (arrived.length > 0) this.#bodyBytes = Math.max(1, bytes / arrived.length, this.#bodyBytes / 4);
    for (const lease of plain) this.#held.set(lease.streamSeq, lease);
    await this.#handOut(plain);
    if (noted.length > 0) await this.#handOutNoted(noted);
  }

  /** A server that was killed has forgotten that it had handed it out already, and nobody needs it twice. */
  #isHeld({ streamSeq, messageId }: JetStreamLease): boolean {
    const held = this.#held.get(streamSeq);
    if (held === undefined || held.messageId !== messageId || held.comesBack) return false;
    return !held.isOver(this.#options.parts.clock.monotonicMs());
  }

  /** While the database is away they are kept: the server would not offer them again before their lease is over. */
  async #handOutNoted(noted: readonly Arrived[]): Promise<void> {
    let ready: JetStreamLease[];
    try {
      ready = await this.#readNoted(noted);
    } catch (error) {
      const { clock, logger } = this.#options.parts;
      logger.warn("deliveries could not be looked up yet", { error, subscriber: this.subscriber });
      if (this.#stopped) return;
      await clock.sleep(lookUpAgainMs);
      const nowMs = clock.monotonicMs();
      this.#arrived.push(...noted.filter(({ sinceMs }) => nowMs - sinceMs < this.leaseMs / 2));
      return;
    }
    await this.#handOut(ready);
  }

  #leaseOf({ wire, message, source, sinceMs }: Arrived, note: Note | undefined): JetStreamLease {
    const ackSubject = message.reply ?? "";
    const lease = new JetStreamLease(wire, ackSubject, readAckSubject(ackSubject), source.partition, note, this);
    lease.prolong(sinceMs);
    return lease;
  }

  /** Those about which the database has something to say, or may have. */
  async #readNoted(arrived: readonly Arrived[]): Promise<JetStreamLease[]> {
    const { notes, clock, link } = this.#options.parts;
    const known = await notes.read(arrived.map(({ wire }) => messageIdOf(wire)));
    const superseded = await this.#superseded(arrived);
    const nowMs = clock.nowMs();
    const ready: JetStreamLease[] = [];
    const early: JetStreamLease[] = [];
    for (const one of arrived) {
      const lease = this.#leaseOf(one, known.get(messageIdOf(one.wire)));
      if (superseded.has(lease.messageId)) link.send(lease.ackSubject, acknowledgement);
      else if (lease.dueAtMs > nowMs && !wasDueAtOnce(lease)) early.push(lease);
      else ready.push(lease);
    }
    // It keeps its place in its partition until it is due.
    await notes.giveBack(early);
    for (const { ackSubject, dueAtMs, partition } of early) {
      const delayMs = Math.max(1, dueAtMs - clock.nowMs());
      link.send(ackSubject, nakAfter(delayMs));
      clock.setTimer(delayMs + 2, () => this.wakePartition(partition));
    }
    const mine = await this.#takeUp(ready);
    for (const lease of mine) this.#held.set(lease.streamSeq, lease);
    return mine;
  }

  /** A server that was reminded of a delivery may hand it out twice: the second one to take it up leaves it to the first. */
  async #takeUp(ready: readonly JetStreamLease[]): Promise<JetStreamLease[]> {
    const { notes } = this.#options.parts;
    const noted = ready.filter((lease) => lease.noted);
    if (noted.length === 0) return [...ready];
    const taken = await notes.takeUp(noted, this.#patienceMs() / 2);
    await notes.leaveAlone(noted.filter(({ messageId }) => !taken.has(messageId)));
    return ready.filter((lease) => !lease.noted || taken.has(lease.messageId));
  }

  /** A retry was written, but the original could not be acknowledged any more: the retry stands for it. */
  async #superseded(arrived: readonly Arrived[]): Promise<ReadonlySet<string>> {
    const doubtful = arrived.filter(({ wire, message }) => wire.key === null && isRedelivered(message));
    if (doubtful.length === 0) return new Set();
    const { database } = this.#options.parts;
    const next = doubtful.map(({ wire }) => messageIdOf({ id: wire.id, round: wire.round + 1 }));
    const [result] = await database.batch([
      { sql: "select id from event_deliveries where id = ?", rows: next.map((id) => [id]) },
    ]);
    const written = new Set(result?.rows.map((row) => row["id"]));
    return new Set(doubtful.filter((_, index) => written.has(next[index])).map(({ wire }) => messageIdOf(wire)));
  }

  async #handOut(taken: readonly JetStreamLease[]): Promise<void> {
    const isLimited = this.spec.maxTotal !== null || this.spec.rateLimit !== null;
    const leases = isLimited ? await this.#admit(taken) : taken;
    if (leases.length === 0) return;
    if (this.#stopped) {
      await this.#giveBack(leases);
      return;
    }
    const { locks, logger } = this.#options.parts;
    // A lock that cannot be ended now ends with its time.
    await locks.started(leases).catch((error: unknown) => logger.warn("a lock could not be ended", { error }));
    this.#limited = false;
    this.#options.onBatch(leases);
  }

  async #giveBack(leases: readonly JetStreamLease[]): Promise<void> {
    for (const lease of leases) this.#held.set(lease.streamSeq, lease);
    await this.#options.handBack(leases);
  }

  // Limits

  /** Lets those go that may begin; the others are kept until they may. */
  async #admit(leases: readonly JetStreamLease[]): Promise<JetStreamLease[]> {
    const candidates = [...this.#retained, ...leases];
    this.#retained = [];
    if (candidates.length === 0) return [];
    let granted = 0;
    try {
      granted = await this.#options.allowance.acquire(this.spec, candidates.length);
    } catch (error) {
      // They are kept and asked for again.
      this.#options.parts.logger.warn("a limit could not be asked", { error, subscriber: this.subscriber });
    }
    this.#retained = candidates.slice(granted);
    if (this.#retained.length > 0) this.#retryAdmission();
    if (granted === 0 && this.spec.rateLimit && !this.#limited) {
      this.#limited = true;
      this.spec.limited();
    }
    const admitted = candidates.slice(0, granted);
    if (this.spec.maxTotal !== null) for (const lease of admitted) this.#permitted.add(lease);
    return admitted;
  }

  #retryAdmission(): void {
    this.#limitTimer?.cancel();
    if (this.#stopped) return;
    const { clock } = this.#options.parts;
    this.#limitTimer = clock.setTimer(limitPollMs, () => {
      if (this.#handing) this.#retryAdmission();
      else this.#requestHandOut();
    });
  }

  // Leases

  /** Keeps alive what was not handed out yet, and everything where the server is less patient than the lease. */
  #armKeepAlive(): void {
    const { clock } = this.#options.parts;
    this.#keepAlive = clock.setTimer(Math.max(20, this.#patienceMs() / 4), () => {
      this.#prolongHeld();
      if (this.#keepAlive && !(this.#stopped && this.#held.size === 0)) this.#armKeepAlive();
    });
  }

  /** How long the server waits for a sign of life at least. */
  #patienceMs(): number {
    let patienceMs = this.leaseMs;
    for (const { ackWaitMs } of this.#sources.values()) patienceMs = Math.min(patienceMs, ackWaitMs);
    return patienceMs;
  }

  #prolongHeld(): void {
    const { clock, link } = this.#options.parts;
    if (!link.isUp) return;
    const nowMs = clock.monotonicMs();
    const retained = new Set(this.#retained);
    for (const lease of [...this.#held.values()]) {
      const source = this.#sources.get(lease.partition);
      if (retained.has(lease)) lease.prolong(nowMs);
      else if (lease.isOver(nowMs)) {
        lease.end();
        continue;
      } else if (lease.settling || !source || source.ackWaitMs >= this.leaseMs) continue;
      link.send(lease.ackSubject, "+WPI");
    }
  }
}

/** Such a one waits for no clock: the one that says it is early was set back meanwhile. */
function wasDueAtOnce({ wire, dueAtMs, ackSubject }: JetStreamLease): boolean {
  return dueAtMs === wire.dueAtMs && dueAtMs <= storedAtMs(ackSubject);
}

/** Nothing but the message has to be asked. */
function isPlain({ wire, message }: Arrived, { delivered }: JetStreamLease): boolean {
  return wire.key === null && delivered === 1 && !wire.bodyApart && message.reply !== undefined;
}

function isRedelivered({ reply = "" }: Msg): boolean {
  return readAckSubject(reply).delivered > 1;
}

/** The server takes nanoseconds. */
export function nakAfter(delayMs: number): string {
  return `-NAK {"delay":${Math.ceil(delayMs) * 1_000_000}}`;
}
