import type { Clock } from "@signalbox/kernel";
import type { SettlementKind } from "./dispatch-log.js";
import type { Codec } from "./envelope.js";
import type { DomainEvent } from "./event.js";
import type { EventStore } from "./event-store.js";
import type { Outbox } from "./outbox/outbox.js";
import type { Outcome } from "./publish-outcome.js";
import type { Records } from "./records/records.js";
import type { FrozenRegistry } from "./registry.js";
import type { Transport } from "./transports/transport.js";

/** An attempt to handle one event, as it ended. */
export interface WatchedAttempt {
  readonly eventId: string;
  readonly subscription: string;
  readonly deliveryId: string;
  readonly attempt: number;
  readonly settlement: SettlementKind;
  /** What the handler was given; `null` when it could not be read. */
  readonly event: DomainEvent<unknown> | null;
  readonly error: unknown;
}

/** Sees everything that a store does in this process. Must not throw. */
export interface StoreWatcher {
  /** Before anything is handed to the transport. */
  publishing(events: readonly DomainEvent<unknown>[]): void;
  /** What was decided; after the transport has answered. */
  decided(outcomes: readonly Outcome[]): void;
  /** The publish that `publishing` told of has settled. */
  published(events: readonly DomainEvent<unknown>[]): void;
  attempted(attempt: WatchedAttempt): void;
}

/** The watchers of one store; most have none. */
export type StoreWatchers = Set<StoreWatcher>;

/** What the test kit sees of a store behind its public face. */
export interface StoreInternals {
  readonly watchers: StoreWatchers;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly registry: FrozenRegistry;
  readonly codec: Codec;
  readonly records: Records;
  /** Where deliveries wait that were published in transactions of another database than the transport's. */
  readonly outbox: Outbox | undefined;
}

const internals = new WeakMap<EventStore, StoreInternals>();

export function keepInternals(store: EventStore, parts: StoreInternals): void {
  internals.set(store, parts);
}

export function internalsOf(store: EventStore): StoreInternals | undefined {
  return internals.get(store);
}
