import type { EventStore } from "@signalbox/event-store";
import type { ExperienceStore, OutboxItem } from "@signalbox/experience";
import type { Clock, Logger, Service } from "@signalbox/kernel";
import { createLoop } from "./loop.js";
import { publishRecords } from "./publish-records.js";

export interface Publisher {
  readonly service: Service;
  /** Something waits. */
  wake(): void;
}

export interface PublisherOptions {
  readonly store: ExperienceStore;
  readonly eventStore: () => Pick<EventStore, "publishGroup">;
  readonly clock: Clock;
  readonly logger: Logger;
}

const recordsAtOnce = 500;
const pollMs = 500;
const pauseAfterFailureMs = 1_000;
/** How long a stop may go on publishing what waits. */
const lastPublishMs = 5_000;

/** Moves records from the outbox into the event store, at least once. What was taken is kept until it is published. */
export function createPublisher({ store, eventStore, clock, logger }: PublisherOptions): Publisher {
  let inHand: readonly OutboxItem[] = [];
  let failing = false;

  /** Whether anything was published. */
  const publishSome = async (): Promise<boolean> => {
    if (inHand.length === 0) inHand = await store.takeOutbox(recordsAtOnce);
    if (inHand.length === 0) return false;
    await publishRecords(
      eventStore(),
      inHand.map(({ record }) => record),
    );
    await store.ackOutbox(inHand.map(({ id }) => id));
    inHand = [];
    if (failing) logger.info("records of experiences are published again");
    failing = false;
    return true;
  };

  const loop = createLoop({
    name: "experience publisher",
    clock,
    logger,
    round: async () => ((await publishSome()) ? 0 : pollMs),
    pauseAfterFailureMs,
    onFailure(error) {
      if (!failing) logger.warn("records of experiences cannot be published; they wait", { error });
      failing = true;
    },
  });

  const publishRest = async (): Promise<void> => {
    const untilMs = clock.monotonicMs() + lastPublishMs;
    try {
      while (clock.monotonicMs() < untilMs && (await publishSome()));
    } catch {
      // They wait in the outbox for the next start.
    }
  };

  return {
    wake: () => loop.wake(),
    service: {
      name: "experience publisher",
      start: () => loop.service.start(),
      async stop(options) {
        await loop.service.stop(options);
        await publishRest();
      },
    },
  };
}
