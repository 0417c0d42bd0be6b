import { type Configure, defineSubscriber, type PayloadOf } from "@signalbox/event-store";
import { errorCode } from "@signalbox/kernel";
import { eventReceived } from "../events/event-received.js";
import { issueEvents } from "../events/issue-events.js";
import type { Digest } from "./digest.js";
import { digestSubscriber } from "./pending-events.js";

export interface DigestSubscription {
  readonly batchEvents: number;
  readonly batchBytes: number;
  readonly lingerMs: number;
  readonly concurrency: number;
  /** Waiting events beyond which publishing is refused. */
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Attempts of an event that cannot be stored, before it becomes a dead letter. */
const maxAttempts = 3;
const attemptPauseMs = 1000;

/** Longer than any batch takes; a batch that is held back during an outage ends before. */
const timeoutMs = 300_000;

/** Makes the service's events known and lets the digest handle the received ones. */
export function configureDigest(digest: Digest, options: DigestSubscription): Configure {
  const subscriber = defineSubscriber<PayloadOf<typeof eventReceived>>(digestSubscriber, {
    urgency: "high",
    timeoutMs,
    concurrency: options.concurrency,
    batch: { maxSize: options.batchEvents, maxBytes: options.batchBytes, maxWaitMs: options.lingerMs },
    retry: {
      maxAttempts,
      baseMs: attemptPauseMs,
      // An outage is nobody's failure: the events wait as long as it lasts. How long is the gate's business.
      decide: (error) => (errorCode(error) === "ET_STORE_AWAY" ? { delayMs: attemptPauseMs, counted: false } : "retry"),
    },
    handleBatch: (events, context) => digest.handle(events, context),
  });
  return (registry) => {
    registry.register(eventReceived);
    for (const event of issueEvents) registry.register(event);
    registry.subscribe(subscriber, {
      to: eventReceived,
      maxPending: { count: options.maxMessages, bytes: options.maxBytes },
    });
  };
}
