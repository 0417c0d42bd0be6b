import type { Records } from "./records/records.js";
import type { FrozenRegistry } from "./registry.js";
import type { QueueDepth, QueuedDelivery, Transport } from "./transports/transport.js";

/** What waits for one subscriber. */
export interface QueueState {
  readonly subscriber: string;
  /** False for deliveries that were left behind by a subscriber which this program does not have. */
  readonly declared: boolean;
  readonly paused: boolean;
  readonly depth: QueueDepth;
}

/** A key whose deliveries wait for an earlier one of the same key. */
export interface BlockedKey {
  readonly key: string;
  /** How many wait, as far as they were looked at. */
  readonly waiting: number;
  /** The one that is waited for when it waits itself, for its next attempt mostly; `null` while it is running. */
  readonly blocking: {
    readonly deliveryId: string;
    readonly attempts: number;
    readonly dueAtMs: number;
  } | null;
}

/** What an operator sees of the queues. @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE` (worth retrying). */
export interface Queues {
  /** Declared ones in order of registration, then what was left behind, by name. */
  list(): Promise<readonly QueueState[]>;
  /** `null` for a name that is neither declared nor has deliveries. */
  get(subscriber: string): Promise<QueueState | null>;
  /** Deliveries of events whose ids begin so that are not settled; `null` where the transport cannot tell them apart. */
  countUnsettled(subscriber: string, idPrefix: string): Promise<number | null>;
  /** At most 100 keys, those with most waiting deliveries first. */
  blockedKeys(subscriber: string): Promise<readonly BlockedKey[]>;
  /** Deletes what waits for a subscriber, not what is running, and resolves with the count. It cannot be undone. */
  purge(subscriber: string): Promise<number>;
}

export interface QueueDependencies {
  readonly registry: FrozenRegistry;
  readonly transport: Transport;
  readonly records: Records;
  /** Resolves when the transport can be used. */
  readonly open: () => Promise<void>;
}

const maxKeys = 100;
const deliveriesLookedAt = 1_000;

export function createQueues({ registry, transport, records, open }: QueueDependencies): Queues {
  const isDeclared = (name: string): boolean => registry.subscribers.some(({ subscriber }) => subscriber.name === name);

  const stateOf = async (subscriber: string, paused: ReadonlySet<string>): Promise<QueueState> => ({
    subscriber,
    declared: isDeclared(subscriber),
    paused: paused.has(subscriber),
    depth: await transport.depth(subscriber),
  });

  return {
    async list() {
      await open();
      const [paused, busy] = await Promise.all([records.pauses.list(), transport.subscribers()]);
      const declared = registry.subscribers.map(({ subscriber }) => subscriber.name);
      const orphaned = busy.filter((name) => !isDeclared(name)).toSorted();
      const states: QueueState[] = [];
      for (const name of [...declared, ...orphaned]) states.push(await stateOf(name, paused));
      return states;
    },

    async get(subscriber) {
      await open();
      if (!isDeclared(subscriber) && !(await transport.subscribers()).includes(subscriber)) return null;
      return stateOf(subscriber, await records.pauses.list());
    },

    async countUnsettled(subscriber, idPrefix) {
      await open();
      return (await transport.countUnsettled?.(subscriber, idPrefix)) ?? null;
    },

    async blockedKeys(subscriber) {
      await open();
      return blockedAmong(await transport.peek({ subscriber }, deliveriesLookedAt));
    },

    async purge(subscriber) {
      await open();
      return transport.remove({ subscriber });
    },
  };
}

function blockedAmong(deliveries: readonly QueuedDelivery[]): readonly BlockedKey[] {
  const waiting = new Map<string, number>();
  const first = new Map<string, QueuedDelivery>();
  for (const delivery of deliveries) {
    const { key, state } = delivery;
    if (key === null) continue;
    if (state === "blocked") waiting.set(key, (waiting.get(key) ?? 0) + 1);
    else first.set(key, delivery);
  }
  return [...waiting]
    .toSorted(([left, fewer], [right, more]) => more - fewer || (left < right ? -1 : 1))
    .slice(0, maxKeys)
    .map(([key, count]) => {
      const one = first.get(key);
      const blocking = one ? { deliveryId: one.id, attempts: one.attempts, dueAtMs: one.dueAtMs } : null;
      return { key, waiting: count, blocking };
    });
}
