import type { Clock, Metrics } from "@signalbox/kernel";
import type { Limits } from "./check-options.js";
import type { ClientStats } from "./client.js";
import { createDrops, type Drops } from "./drops.js";
import { createEncoder } from "./encode.js";
import { installExitHooks } from "./exit-hooks.js";
import type { KnownExperiences } from "./known-experiences.js";
import { createCheckpointQueue, laneOf } from "./queue.js";
import type { RecorderOptions } from "./recorder.js";
import { createSdkMetrics } from "./sdk-metrics.js";
import { createSender, type FlushResult, type Sender } from "./sender.js";
import type { Spool } from "./spool.js";
import type { TokenSource } from "./token-source.js";
import type { CheckpointTransport } from "./transport.js";
import type { WarnOnce } from "./warn-once.js";

export interface DeliveryOptions {
  /** Absent when nothing is sent. */
  readonly transport: CheckpointTransport | undefined;
  readonly type: string;
  readonly definitions: KnownExperiences;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly token: TokenSource;
  readonly random: () => number;
  readonly warn: WarnOnce;
  readonly metrics: Metrics;
  /** Absent when nothing is kept on disk. */
  readonly spool: Spool | undefined;
}

/** Queue, sender and their figures, from the first checkpoint to the shutdown. */
export interface Delivery {
  readonly drops: Drops;
  readonly enqueue: RecorderOptions["enqueue"];
  readonly onQueued: () => void;
  /** Called when the shutdown begins, after the last flush. */
  onClose(callback: () => void): void;
  flush(timeoutMs?: number): Promise<FlushResult>;
  shutdown(timeoutMs?: number): Promise<FlushResult>;
  installExitHooks(): void;
  stats(): Omit<ClientStats, "ignoredContexts">;
}

const defaultTimeoutMs = 5_000;

export function createDelivery(options: DeliveryOptions): Delivery {
  const { transport, limits, definitions } = options;
  const counts = { queued: 0, sent: 0, retried: 0 };
  const metrics = createSdkMetrics(options.metrics, {
    queueEvents: () => queue.events,
    isBreakerOpen: () => sender?.breaker.isOpen ?? false,
  });
  const drops = createDrops(metrics.dropped);
  const queue = createCheckpointQueue({
    ...limits,
    lanes: limits.maxInFlight,
    onDrop: () => drops.count("queue_full"),
  });
  const sender: Sender | undefined =
    transport &&
    createSender({
      ...options,
      transport,
      queue,
      drops,
      encode: createEncoder(options.type, definitions),
      experienceOf: (checkpoint) => (typeof checkpoint === "string" ? undefined : checkpoint.run.experienceId),
      onSent(count) {
        counts.sent += count;
        metrics.sent(count);
      },
      onRetried(count) {
        counts.retried += count;
        metrics.retried(count);
      },
    });
  // Until it is known which experiences exist, everything waits in the queue.
  definitions.onReady(() => sender?.begin());

  const flush = async (timeoutMs: number): Promise<FlushResult> =>
    sender ? sender.flush(timeoutMs) : { sent: 0, pending: 0 };

  const closeListeners: (() => void)[] = [];
  let stopping: Promise<FlushResult> | undefined;
  const stop = async (timeoutMs: number): Promise<FlushResult> => {
    const flushed = await flush(timeoutMs);
    for (const tell of closeListeners) tell();
    definitions.stop();
    await sender?.stop();
    removeHooks?.();
    return flushed;
  };

  let removeHooks: (() => void) | undefined;
  const shutdown = (timeoutMs = defaultTimeoutMs): Promise<FlushResult> => {
    stopping ??= stop(timeoutMs);
    return stopping;
  };

  return {
    drops,
    enqueue:
      sender &&
      ((checkpoint) => {
        queue.push(checkpoint);
        sender.poke(laneOf(checkpoint.run, limits.maxInFlight));
      }),
    onQueued() {
      counts.queued++;
      metrics.queued();
    },
    onClose: (callback) => void closeListeners.push(callback),
    flush: (timeoutMs = defaultTimeoutMs) => flush(timeoutMs),
    shutdown,
    installExitHooks() {
      removeHooks ??= installExitHooks(() => shutdown());
    },
    stats: () => ({
      ...counts,
      dropped: drops.totals,
      queueEvents: queue.events,
      queueBytes: queue.bytes,
      breakerOpen: sender?.breaker.isOpen ?? false,
    }),
  };
}
