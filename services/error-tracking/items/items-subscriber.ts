import { type Configure, defineSubscriber, type PayloadOf } from "@signalbox/event-store";
import { errorCode } from "@signalbox/kernel";
import { itemReceived } from "../events/item-events.js";
import type { ItemStorage } from "./store-items.js";

export interface ItemsSubscription {
  /** Waiting messages beyond which publishing is refused. */
  readonly maxMessages: number;
  readonly maxBytes: number;
}

const maxAttempts = 3;
const attemptPauseMs = 1000;
const outagePauseMs = 5000;
const timeoutMs = 120_000;

/** Makes the event known and lets the storage handle it. One batch at a time keeps check-ins in their order. */
export function configureItems(storage: ItemStorage, options: ItemsSubscription): Configure {
  const subscriber = defineSubscriber<PayloadOf<typeof itemReceived>>("error_tracking.items", {
    urgency: "high",
    timeoutMs,
    concurrency: 1,
    batch: { maxSize: 500, maxBytes: 8 * 1024 * 1024, maxWaitMs: 250 },
    retry: {
      maxAttempts,
      baseMs: attemptPauseMs,
      decide: (error) => (errorCode(error) === "ET_STORE_AWAY" ? { delayMs: outagePauseMs, counted: false } : "retry"),
    },
    handleBatch: (messages, context) => storage.handle(messages, context),
  });
  return (registry) => {
    registry.register(itemReceived);
    registry.subscribe(subscriber, {
      to: itemReceived,
      maxPending: { count: options.maxMessages, bytes: options.maxBytes },
    });
  };
}
