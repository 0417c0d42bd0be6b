import { type Clock, fullJitterMs } from "@signalbox/kernel";
import { type Breaker, createBreaker } from "./breaker.js";
import { type DropReason, type DropReport, type Drops, formatReport } from "./drops.js";
import { isRetryableStatus, judgeBatch } from "./judge-answer.js";
import type { CheckpointQueue, Waiting } from "./queue.js";
import { retryAfterMs } from "./retry-after.js";
import type { TokenSource } from "./token-source.js";
import type { BatchAnswer, CheckpointTransport } from "./transport.js";
import { wait } from "./wait.js";
import type { WarnOnce } from "./warn-once.js";

export interface SenderLimits {
  readonly maxBatchEvents: number;
  readonly maxBatchBytes: number;
  readonly maxBatchWaitMs: number;
  /** Requests under way at once; each has a lane of its own. */
  readonly maxInFlight: number;
  readonly requestTimeoutMs: number;
  /** How long a batch is tried. */
  readonly maxElapsedMs: number;
  readonly maxAttempts: number | undefined;
}

export interface SenderOptions {
  readonly queue: CheckpointQueue;
  readonly transport: CheckpointTransport;
  readonly token: TokenSource;
  readonly drops: Drops;
  readonly limits: SenderLimits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly warn: WarnOnce;
  /** JSON text of a checkpoint as it is sent; absent when its experience turned out to be unknown. */
  readonly encode: (checkpoint: Waiting, sentAtMs: number) => string | undefined;
  readonly onSent: (count: number) => void;
  readonly onRetried: (count: number) => void;
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
  /** Ends requests and waits under way. What they carried is dropped. */
  stop(): Promise<void>;
  readonly breaker: Breaker;
}

const backoff = { baseMs: 200, maxMs: 20_000 } as const;

/** Batches of one lane never overlap. */
interface Lane {
  readonly index: number;
  running: Promise<void> | undefined;
  /** Set while waiting for a batch to fill. */
  timer: { cancel(): void } | undefined;
}

/** A batch on its way, smaller with every answer. */
interface Parcel {
  readonly checkpoints: Waiting[];
  /** Monotonic. */
  startedAtMs: number;
  attempts: number;
  /** Whether the last answer was that the token is not valid: that time does not count. */
  unauthorised?: boolean;
}

export function createSender(options: SenderOptions): Sender {
  const { queue, limits, clock, drops } = options;
  const breaker = createBreaker(clock);
  const stopping = new AbortController();
  const lanes: Lane[] = Array.from({ length: limits.maxInFlight }, (_, index) => ({
    index,
    running: undefined,
    timer: undefined,
  }));
  let begun = false;
  let flushing = 0;
  let sent = 0;
  const idleListeners = new Set<() => void>();

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
    while (isDue(lane) && !stopping.signal.aborted) {
      const checkpoints = queue.take(lane.index, limits.maxBatchEvents, limits.maxBatchBytes);
      const parcel = { checkpoints: [...checkpoints], startedAtMs: clock.monotonicMs(), attempts: 0 };
      try {
        await deliver(parcel);
      } catch (error) {
        // Nothing above throws by itself; should it all the same, the application must not notice.
        giveUp(parcel.checkpoints, "rejected");
        options.warn("sender", "checkpoints could not be sent", { error });
      }
      queue.release(checkpoints);
    }
    lane.running = undefined;
    poke(lane);
    if (isIdle()) for (const tell of [...idleListeners]) tell();
  };

  const giveUp = (checkpoints: Waiting[], reason: DropReason): void => {
    for (const _ of checkpoints.splice(0)) drops.count(reason);
  };

  const deliver = async (parcel: Parcel): Promise<void> => {
    while (parcel.checkpoints.length > 0) {
      const probe = await breaker.pass(stopping.signal);
      if (stopping.signal.aborted) return giveUp(parcel.checkpoints, "closed");
      if (parcel.unauthorised)
        Object.assign(parcel, { startedAtMs: clock.monotonicMs(), attempts: 0, unauthorised: false });
      const tooOld = clock.monotonicMs() - parcel.startedAtMs >= limits.maxElapsedMs;
      const tooOften = limits.maxAttempts !== undefined && parcel.attempts >= limits.maxAttempts;
      if (tooOld || tooOften) {
        // The next batch probes instead.
        if (probe) breaker.failed();
        return giveUp(parcel.checkpoints, "expired");
      }
      if (parcel.attempts > 0) options.onRetried(parcel.checkpoints.length);
      parcel.attempts++;
      const delayMs = await attempt(parcel);
      if (delayMs > 0) await wait(clock, delayMs, stopping.signal);
    }
  };

  /** Makes one request and takes out of the parcel what is settled. Resolves with the pause before the next one. */
  const attempt = async (parcel: Parcel): Promise<number> => {
    const encoded = encodeAll(parcel.checkpoints);
    if (encoded.length === 0) {
      breaker.succeeded();
      return 0;
    }
    const report = drops.takeReport();
    const answer = await request(encoded, report);
    const accepted = answer !== undefined && answer.status >= 200 && answer.status < 300;
    if (!accepted) drops.giveBack(report);
    if (answer?.status === 401) {
      breaker.open();
      // Nothing is lost because a key was changed.
      parcel.unauthorised = true;
      options.warn("unauthorised", "the experience tracker refuses the token; checkpoints wait");
      return 0;
    }
    if (answer === undefined || isRetryableStatus(answer.status)) {
      breaker.failed();
      return pauseAfter(answer, parcel.attempts);
    }
    breaker.succeeded();
    if (answer.status === 413) return splitOrGiveUp(parcel);
    if (!accepted) {
      options.warn(`status ${answer.status}`, "the experience tracker refuses checkpoints", { status: answer.status });
      giveUp(parcel.checkpoints, "rejected");
      return 0;
    }
    return settle(parcel, answer);
  };

  /** Removes checkpoints of experiences that nobody defined, which is known only now. */
  const encodeAll = (checkpoints: Waiting[]): string[] => {
    const encoded: string[] = [];
    const sentAtMs = clock.nowMs();
    const known = checkpoints.filter((checkpoint) => {
      const text = options.encode(checkpoint, sentAtMs);
      if (text === undefined) drops.count("rejected");
      else encoded.push(text);
      return text !== undefined;
    });
    checkpoints.splice(0, checkpoints.length, ...known);
    return encoded;
  };

  const request = async (checkpoints: string[], report: DropReport | undefined): Promise<BatchAnswer | undefined> => {
    const first = await requestOnce(checkpoints, report, false);
    if (first?.status !== 401 || !options.token.canRefresh) return first;
    return requestOnce(checkpoints, report, true);
  };

  /** Absent when there was no answer in time, or no token to ask with. */
  const requestOnce = async (
    checkpoints: string[],
    report: DropReport | undefined,
    refresh: boolean,
  ): Promise<BatchAnswer | undefined> => {
    const limit = new AbortController();
    const abort = (): void => limit.abort(new Error("the request took too long, or the client stops"));
    const timer = clock.setTimer(limits.requestTimeoutMs, abort);
    stopping.signal.addEventListener("abort", abort, { once: true });
    const aborted = new Promise<undefined>((resolve) => {
      limit.signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    const send = async (): Promise<BatchAnswer | undefined> => {
      const token = await options.token.get(refresh);
      if (limit.signal.aborted) return undefined;
      const dropped = formatReport(report);
      return options.transport.send({ checkpoints, token, dropped, signal: limit.signal });
    };
    try {
      return await Promise.race([send(), aborted]);
    } catch (error) {
      options.warn("unreachable", "the experience tracker cannot be reached; checkpoints wait", { error });
      return undefined;
    } finally {
      timer.cancel();
      stopping.signal.removeEventListener("abort", abort);
    }
  };

  const pauseAfter = (answer: BatchAnswer | undefined, attempts: number): number => {
    const jitterMs = fullJitterMs(attempts, backoff, options.random);
    if (answer?.status !== 429 && answer?.status !== 503) return jitterMs;
    const askedMs = retryAfterMs(answer.retryAfter, clock.nowMs());
    return askedMs === 0 ? jitterMs : Math.max(jitterMs, askedMs + options.random() * 1_000);
  };

  const splitOrGiveUp = async (parcel: Parcel): Promise<number> => {
    if (parcel.checkpoints.length === 1) {
      giveUp(parcel.checkpoints, "too_large");
      return 0;
    }
    const half = parcel.checkpoints.splice(0, Math.ceil(parcel.checkpoints.length / 2));
    // In order: what comes later waits for what came before.
    await deliver({ checkpoints: half, startedAtMs: parcel.startedAtMs, attempts: 0 });
    parcel.attempts = 0;
    return 0;
  };

  const settle = (parcel: Parcel, answer: BatchAnswer): number => {
    const { accepted, rejected, retryable, reason } = judgeBatch(parcel.checkpoints, answer.body);
    sent += accepted.length;
    options.onSent(accepted.length);
    if (rejected.length > 0) options.warn("rejected", "the experience tracker refused a checkpoint", { reason });
    giveUp(rejected, "rejected");
    parcel.checkpoints.splice(0, parcel.checkpoints.length, ...retryable);
    return retryable.length === 0 ? 0 : pauseAfter(undefined, parcel.attempts);
  };

  const isIdle = (): boolean => queue.events === 0 && lanes.every(({ running }) => !running);

  return {
    breaker,
    begin() {
      begun = true;
      for (const lane of lanes) poke(lane);
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
      await Promise.all(lanes.map(({ running }) => running));
      giveUp(queue.drain(), "closed");
    },
  };
}
