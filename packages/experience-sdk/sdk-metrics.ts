import type { Metrics } from "@signalbox/kernel";
import { type DropReason, dropReasons } from "./drops.js";

const queued = Object.freeze({ result: "queued" });
const sent = Object.freeze({ result: "sent" });
const dropped = Object.freeze({ result: "dropped" });
const retried = Object.freeze({ result: "retried" });

/** What the client counts about itself. */
export interface SdkMetrics {
  queued(): void;
  sent(count: number): void;
  retried(count: number): void;
  dropped(reason: DropReason): void;
}

export interface SdkState {
  queueEvents(): number;
  isBreakerOpen(): boolean;
}

export function createSdkMetrics(metrics: Metrics, state: SdkState): SdkMetrics {
  const events = metrics.counter({
    name: "signalbox_experience_sdk_events_total",
    help: "Checkpoints by what became of them.",
    labels: ["result"],
    known: [queued, sent, dropped, retried],
  });
  const drops = metrics.counter({
    name: "signalbox_experience_sdk_dropped_total",
    help: "Checkpoints that were given up, by reason.",
    labels: ["reason"],
    known: dropReasons.map((reason) => ({ reason })),
  });
  metrics.gauge({
    name: "signalbox_experience_sdk_queue_events",
    help: "Checkpoints that wait or are on their way.",
    collect: (gauge) => gauge.set(state.queueEvents()),
  });
  metrics.gauge({
    name: "signalbox_experience_sdk_breaker_open",
    help: "1 while requests are held back because the tracker does not answer.",
    collect: (gauge) => gauge.set(state.isBreakerOpen() ? 1 : 0),
  });
  return {
    queued: quietly(() => events.add(1, queued)),
    sent: quietly((count: number) => events.add(count, sent)),
    retried: quietly((count: number) => events.add(count, retried)),
    dropped: quietly((reason: DropReason) => {
      events.add(1, dropped);
      drops.add(1, { reason });
    }),
  };
}

/** The registry is the application's; when it throws, counting stops to matter. */
function quietly<A extends readonly unknown[]>(count: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      count(...args);
    } catch {
      // Nothing to count it with.
    }
  };
}
