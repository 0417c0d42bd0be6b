import { createBreaker } from "../breaker.js";
import type { ClientStats } from "../client.js";
import { createCourier } from "../courier.js";
import { createDrops, type DropReason, type Drops } from "../drops.js";
import { createEncoder } from "../encode.js";
import type { KnownExperiences } from "../known-experiences.js";
import type { Time } from "../platform.js";
import type { Waiting } from "../queue.js";
import type { FlushResult, Sendable } from "../sender.js";
import type { TokenSource } from "../token-source.js";
import type { CheckpointTransport } from "../transport.js";
import { wait } from "../wait.js";
import type { WarnOnce } from "../warn-once.js";
import type { PageLimits } from "./options.js";
import { createStorageSpool, type StorageSpoolOptions } from "./storage-spool.js";

export interface PageDeliveryOptions {
  readonly transport: CheckpointTransport;
  readonly type: string;
  readonly definitions: KnownExperiences;
  readonly limits: PageLimits;
  readonly clock: Time;
  readonly token: TokenSource;
  readonly random: () => number;
  readonly warn: WarnOnce;
  /** Absent when nothing is kept for the next page. */
  readonly spool: Omit<StorageSpoolOptions, "textOf"> | undefined;
  /** Whether somebody looks at the page. */
  readonly isHidden: () => boolean;
}

/**
 * Takes checkpoints from the page to the tracker, one batch after the other, by the courier that Node has. What differs
 * is the end: it comes without a warning, and leaves no time.
 */
export interface PageDelivery {
  readonly drops: Drops;
  /** Takes it in any case; when the queue is full, something else makes room, in the order that Node's queue has. */
  enqueue(checkpoint: Waiting): void;
  /**
   * Sends all that waits now, beside what is under way, and keeps what is not settled for the next page: this one may not
   * get another turn. Batches may overtake each other.
   */
  leave(): void;
  /** Sends what other pages kept since this one looked. */
  lookForKept(): void;
  flush(timeoutMs?: number): Promise<FlushResult>;
  shutdown(timeoutMs?: number): Promise<FlushResult>;
  stats(): Omit<ClientStats, "ignoredContexts">;
}

export function createPageDelivery(options: PageDeliveryOptions): PageDelivery {
  const { limits, clock } = options;
  const encode = createEncoder(options.type, options.definitions);
  const spool =
    options.spool &&
    createStorageSpool({ ...options.spool, textOf: (checkpoint) => encode(checkpoint, clock.nowMs()) });
  const drops = createDrops();
  const breaker = createBreaker(clock);
  const stopping = new AbortController();
  const counts = { queued: 0, sent: 0, retried: 0 };
  const courier = createCourier<Sendable>({
    ...options,
    drops,
    breaker,
    encode,
    stopping: stopping.signal,
    experienceOf: (checkpoint) => (typeof checkpoint === "string" ? undefined : checkpoint.run.experienceId),
    onSent(count) {
      counts.sent += count;
    },
    onRetried(count) {
      counts.retried += count;
    },
  });

  let waiting: Waiting[] = [];
  /** Batches on their way, each smaller with every answer. */
  const underWay = new Set<Sendable[]>();
  let running: Promise<void> | undefined;
  let timer: { cancel(): void } | undefined;
  let flushing = 0;
  let spoolIsEmpty = spool === undefined;
  let isLeaving = false;
  /** Aborted for whoever waits until nothing is left to do. */
  let idle = new AbortController();

  /** Waiting or on their way. */
  let events = 0;
  let bytes = 0;

  const release = (checkpoint: Waiting): false => {
    events--;
    bytes -= checkpoint.bytes;
    return false;
  };

  const makeRoom = (): void => {
    while (events > limits.maxQueueEvents || bytes > limits.maxQueueBytes) {
      const victim =
        waiting.find(({ kind }) => kind === "intermediate") ??
        waiting.find(({ kind }) => kind === "start") ??
        waiting[0];
      if (!victim) return;
      // A start never goes without its end.
      if (victim.kind === "start") victim.run.dropped = true;
      waiting = waiting.filter((other) => {
        const stays = other !== victim && !other.run.dropped;
        if (!stays) drops.count("queue_full");
        return stays || release(other);
      });
    }
  };

  // What is on its way counts too: then a batch is tried a moment early.
  const isFull = (): boolean =>
    flushing > 0 || waiting.length >= limits.maxBatchEvents || bytes >= limits.maxBatchBytes;

  const leftMs = ({ recordedAtMs }: Waiting): number =>
    isFull() ? 0 : Math.max(0, recordedAtMs + limits.maxBatchWaitMs - clock.monotonicMs());

  /** Sends in a later turn of the event loop: whoever records is not the one who sends. */
  const schedule = (): void => {
    timer?.cancel();
    timer = undefined;
    const [first] = waiting;
    if (running || stopping.signal.aborted || (!first && spoolIsEmpty)) return;
    timer = clock.setTimer(first && spoolIsEmpty ? leftMs(first) : 0, () => {
      running ??= run();
    });
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const [first] = waiting;
      if (first && leftMs(first) === 0) await sendBatch();
      else if (!spoolIsEmpty) await sendKept();
      else break;
    }
    running = undefined;
    schedule();
    tellWhenIdle();
  };

  const take = (): Waiting[] => {
    let takenBytes = 0;
    const beyond = waiting.findIndex((checkpoint, index) => {
      takenBytes += checkpoint.bytes;
      return index === limits.maxBatchEvents || (index > 0 && takenBytes > limits.maxBatchBytes);
    });
    return waiting.splice(0, beyond < 0 ? waiting.length : beyond);
  };

  const sendBatch = async (): Promise<void> => {
    const taken = take();
    const left: Sendable[] = [...taken];
    underWay.add(left);
    const reason = await courier.deliver(left);
    if (reason) await keepOrDrop(left, reason);
    underWay.delete(left);
    for (const checkpoint of taken) release(checkpoint);
    tellWhenIdle();
  };

  /** What another page kept. What cannot be sent now stays where it is. */
  const sendKept = async (): Promise<void> => {
    const batch = await spool?.take();
    spoolIsEmpty = batch === undefined;
    if (batch && (await courier.deliver([...batch.checkpoints])) === undefined) await batch.remove();
  };

  const keepOrDrop = async (checkpoints: Sendable[], reason: DropReason): Promise<void> => {
    const texts = checkpoints.flatMap((checkpoint) => encode(checkpoint, clock.nowMs()) ?? []);
    if (texts.length > 0 && (await spool?.write(texts))) return;
    for (const _ of checkpoints) drops.count(reason);
  };

  const tellWhenIdle = (): void => {
    if (events > 0) return;
    spool?.forget();
    if (running) return;
    idle.abort();
    idle = new AbortController();
  };

  const leave = (): void => {
    isLeaving = false;
    if (stopping.signal.aborted) return;
    while (waiting.length > 0) void sendBatch();
    spool?.keep([...underWay].flat().filter((checkpoint) => typeof checkpoint !== "string"));
  };

  const flush = async (timeoutMs = 5_000): Promise<FlushResult> => {
    const before = counts.sent;
    flushing++;
    schedule();
    if (running || events > 0) await wait(clock, timeoutMs, idle.signal);
    flushing--;
    return { sent: counts.sent - before, pending: events };
  };

  let stopped: Promise<FlushResult> | undefined;
  const stop = async (timeoutMs?: number): Promise<FlushResult> => {
    const flushed = await flush(timeoutMs);
    stopping.abort();
    timer?.cancel();
    await running;
    const left = waiting.splice(0);
    await keepOrDrop([...left], "closed");
    for (const checkpoint of left) release(checkpoint);
    return flushed;
  };

  schedule();
  return {
    drops,
    enqueue(checkpoint) {
      counts.queued++;
      events++;
      bytes += checkpoint.bytes;
      waiting.push(checkpoint);
      makeRoom();
      if (!options.isHidden()) return schedule();
      // Timers of a hidden page may come a minute late, or never.
      if (!isLeaving) queueMicrotask(leave);
      isLeaving = true;
    },
    leave,
    lookForKept() {
      spoolIsEmpty = spool === undefined;
      schedule();
    },
    flush,
    shutdown(timeoutMs) {
      stopped ??= stop(timeoutMs);
      return stopped;
    },
    stats: () => ({
      ...counts,
      dropped: drops.totals,
      queueEvents: events,
      queueBytes: bytes,
      breakerOpen: breaker.isOpen,
    }),
  };
}
