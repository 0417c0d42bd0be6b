import type { Clock } from "@signalbox/kernel/portable";
import { type Breaker, createBreaker } from "./breaker.js";
import { type CourierLimits, type CourierOptions, createCourier } from "./courier.js";
import type { DropReason } from "./drops.js";
import type { CheckpointQueue, Waiting } from "./queue.js";
import type { Spool } from "./spool.js";

export interface SenderLimits extends CourierLimits {
  readonly maxBatchEvents: number;
  readonly maxBatchBytes: number;
  readonly maxBatchWaitMs: number;
  /** Requests under way at once; each has a lane of its own. */
  readonly maxInFlight: number;
}

/** What is sent: a checkpoint of the queue, or the text of one that an earlier process kept. */
export type Sendable = Waiting | string;

export interface SenderOptions extends Omit<CourierOptions<Sendable>, "breaker" | "stopping"> {
  readonly queue: CheckpointQueue;
  readonly limits: SenderLimits;
  readonly clock: Clock;
  /** Absent when nothing is kept on disk. */
  readonly spool: Spool | undefined;
}

export interface FlushResult {
  /** Checkpoints that the tracker took during the call. */
  readonly sent: number;
  /** Checkpoints that still wait. */
  readonly pending: number;
}

/** Takes checkpoints from the queue to the tracker, in batches, each lane in order. */
export interface Sender {
  /** Begins to send; before, everything waits in the queue. */
  begin(): void;
  /** Tells that something was recorded for a lane. */
  poke(lane: number): void;
  /** Sends what waits without waiting for more. Never rejects. */
  flush(timeoutMs: number): Promise<FlushResult>;
  /** Ends requests and waits under way. What they carried and what still waits is kept on disk or dropped. */
  stop(): Promise<void>;
  readonly breaker: Breaker;
}

/** Batches of one lane never overlap. */
interface Lane {
  readonly index: number;
  running: Promise<void> | undefined;
  /** Set while waiting for a batch to fill. */
  timer: { cancel(): void } | undefined;
}

export function createSender(options: SenderOptions): Sender {
  const { queue, limits, clock, drops, spool } = options;
  const breaker = createBreaker(clock);
  const stopping = new AbortController();
  let sent = 0;
  const courier = createCourier<Sendable>({
    ...options,
    breaker,
    stopping: stopping.signal,
    onSent(count) {
      sent += count;
      options.onSent(count);
    },
  });
  const lanes: Lane[] = Array.from({ length: limits.maxInFlight }, (_, index) => ({
    index,
    running: undefined,
    timer: undefined,
  }));
  let begun = false;
  let flushing = 0;
  const idleListeners = new Set<() => void>();

  let spoolIsEmpty = spool === undefined;

  const isFull = (lane: Lane): boolean =>
    flushing > 0 ||
    queue.eventsIn(lane.index) >= limits.maxBatchEvents ||
    queue.bytesIn(lane.index) >= limits.maxBatchBytes;

  const isDue = (lane: Lane): boolean => {
    const first = queue.peek(lane.index);
    if (!first) return false;
    return isFull(lane) || clock.monotonicMs() - first.recordedAtMs >= limits.maxBatchWaitMs;
  };

  const poke = (lane: Lane): void => {
    if (!begun || lane.running || stopping.signal.aborted) return;
    const full = isFull(lane);
    if (!full && lane.timer) return;
    const first = queue.peek(lane.index);
    if (!first) return;
    lane.timer?.cancel();
    lane.timer = undefined;
    if (full) {
      start(lane);
      return;
    }
    const leftMs = Math.max(0, first.recordedAtMs + limits.maxBatchWaitMs - clock.monotonicMs());
    lane.timer = clock.setTimer(leftMs, () => {
      lane.timer = undefined;
      start(lane);
    });
  };

  const start = (lane: Lane): void => {
    // In a later turn of the event loop: whoever records is not the one who sends.
    lane.running ??= new Promise<void>((resolve) => void clock.setTimer(0, resolve)).then(() => run(lane));
  };

  const run = async (lane: Lane): Promise<void> => {
    while (!stopping.signal.aborted) {
      if (isDue(lane)) await sendBatch(lane);
      else if (lane.index === 0 && !spoolIsEmpty) await sendSpooled();
      else break;
    }
    lane.running = undefined;
    poke(lane);
    if (isIdle()) for (const tell of [...idleListeners]) tell();
  };

  const sendBatch = async (lane: Lane): Promise<void> => {
    const taken = queue.take(lane.index, limits.maxBatchEvents, limits.maxBatchBytes);
    const left: Sendable[] = [...taken];
    const reason = await courier.deliver(left);
    if (reason !== undefined) await keepOrDrop(left, reason);
    queue.release(taken);
  };

  /** One file of an earlier process. What cannot be sent now stays where it is. */
  const sendSpooled = async (): Promise<void> => {
    const batch = await spool?.take();
    if (batch === undefined) {
      spoolIsEmpty = true;
      return;
    }
    const reason = await courier.deliver([...batch.checkpoints]);
    if (reason === undefined) await batch.remove();
  };

  const keepOrDrop = async (checkpoints: Sendable[], reason: DropReason): Promise<void> => {
    if (checkpoints.length > 0 && spool) {
      const texts = checkpoints.flatMap((checkpoint) => options.encode(checkpoint, clock.nowMs()) ?? []);
      if (await spool.write(texts)) return;
    }
    for (const _ of checkpoints) drops.count(reason);
  };

  const isIdle = (): boolean => queue.events === 0 && lanes.every(({ running }) => !running);

  return {
    breaker,
    begin() {
      begun = true;
      for (const lane of lanes) poke(lane);
      const [first] = lanes;
      if (first && !spoolIsEmpty) start(first);
    },
    poke(lane) {
      const target = lanes[lane];
      if (target) poke(target);
    },
    async flush(timeoutMs) {
      const before = sent;
      const limit = new AbortController();
      flushing++;
      for (const lane of lanes) poke(lane);
      const stop = (): void => limit.abort();
      if (isIdle()) stop();
      idleListeners.add(stop);
      // Keeps the process alive, unlike everything else here: somebody waits for it.
      await clock.sleep(timeoutMs, { signal: limit.signal }).catch(() => {});
      idleListeners.delete(stop);
      flushing--;
      return { sent: sent - before, pending: queue.events };
    },
    async stop() {
      stopping.abort(new Error("the client stops"));
      for (const lane of lanes) lane.timer?.cancel();
      await Promise.all(lanes.flatMap(({ running }) => running ?? []));
      await keepOrDrop(queue.drain(), "closed");
    },
  };
}
