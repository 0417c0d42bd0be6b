import type { EventStore } from "@signalbox/event-store";
import type { StreamHub, StreamTopic } from "@signalbox/http";
import { type Clock, createFailureLog, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import type { Operations } from "./operations.js";

export interface ChangesDependencies {
  readonly streams: StreamHub;
  readonly eventStore: () => Pick<EventStore, "queues" | "dead">;
  readonly operations: Operations;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Looks for changes while somebody listens, in whatever process they happened. */
const pollMs = 1_000;
const dayMs = 86_400_000;

/**
 * Publishes changes of queues, dead letters and replays. The service polls; `look` does it at once, after a change that
 * was made here.
 */
export interface Changes {
  readonly service: Service;
  look(): void;
}

export function announceChanges(dependencies: ChangesDependencies): Changes {
  const { streams, clock, logger } = dependencies;
  const scope = "events:read";
  const topics: readonly Watched[] = [
    new Watched(streams.addTopic("events.queues", { scope }), () => queueStates(dependencies)),
    new Watched(
      streams.addTopic("events.dead", { scope }),
      () => deadCounts(dependencies),
      (subscription) => ({ subscription, dead: 0 }),
    ),
    new Watched(streams.addTopic("events.replays", { scope }), () => replayStates(dependencies)),
  ];
  let timer: Timer | undefined;
  let looking: Promise<void> | undefined;
  let isStopped = false;

  const failures = createFailureLog({ logger, clock, message: "changes could not be looked for" });
  const lookOnce = async (): Promise<void> => {
    let isWell = true;
    for (const topic of topics) {
      try {
        await topic.look();
      } catch (error) {
        isWell = false;
        failures.failed({ error, topic: topic.name });
      }
    }
    if (isWell) failures.worked();
  };
  const look = (): Promise<void> => {
    looking ??= lookOnce().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const again = (): void => {
    if (isStopped) return;
    timer = clock.setTimer(pollMs, () => void look().finally(again));
  };

  return {
    look: () => void look(),
    service: createService({
      name: "event changes",
      async start() {
        again();
      },
      async stop() {
        isStopped = true;
        timer?.cancel();
        await looking;
      },
    }),
  };
}

/**
 * A topic whose state is a set of things with names: what differs from the last look is published. The first look with
 * a listener publishes everything, so that nothing falls between the listener's own reading and that look.
 */
class Watched {
  readonly #topic: StreamTopic;
  readonly #read: () => Promise<ReadonlyMap<string, object>>;
  readonly #gone: ((key: string) => object) | undefined;
  #last: ReadonlyMap<string, string> = new Map();

  constructor(
    topic: StreamTopic,
    read: () => Promise<ReadonlyMap<string, object>>,
    /** What is published of a thing that is not there any more. */
    gone?: (key: string) => object,
  ) {
    this.#topic = topic;
    this.#read = read;
    this.#gone = gone;
  }

  get name(): string {
    return this.#topic.name;
  }

  async look(): Promise<void> {
    if (!this.#topic.isListenedTo) {
      this.#last = new Map();
      return;
    }
    const states = await this.#read();
    const texts = new Map([...states].map(([key, state]) => [key, JSON.stringify(state)]));
    const before = this.#last;
    this.#last = texts;
    for (const [key, state] of states) if (before.get(key) !== texts.get(key)) this.#topic.publish(state);
    if (this.#gone) for (const key of before.keys()) if (!states.has(key)) this.#topic.publish(this.#gone(key));
  }
}

async function queueStates({ eventStore }: ChangesDependencies): Promise<ReadonlyMap<string, object>> {
  const states = await eventStore().queues.list();
  return new Map(
    states.map(({ subscriber, paused, declared, depth }) => {
      const { ready, scheduled, running, blocked } = depth;
      return [subscriber, { subscriber, paused, declared, depth: { ready, scheduled, running, blocked } }];
    }),
  );
}

async function deadCounts({ eventStore }: ChangesDependencies): Promise<ReadonlyMap<string, object>> {
  const counts = await eventStore().dead.counts();
  return new Map([...counts].map(([subscription, dead]) => [subscription, { subscription, dead }]));
}

async function replayStates({ operations, clock }: ChangesDependencies): Promise<ReadonlyMap<string, object>> {
  const replays = await operations.recentReplays(clock.nowMs() - dayMs);
  return new Map(
    replays.map(({ id, state, matched, changed, resolved, failed, pending }) => [
      id,
      { id, state, matched, replayed: changed, resolved, failed, pending },
    ]),
  );
}
