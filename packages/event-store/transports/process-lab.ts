import type { Database } from "@signalbox/database";
import { defineEvent } from "../define-event.js";
import { defineSubscriber } from "../define-subscriber.js";
import type { DomainEvent } from "../event.js";
import { createEventStore, type EventStore } from "../event-store.js";
import type { Limits } from "../limits.js";
import type { Transport } from "./transport.js";

// What every process of the contract's tests agrees on.

/** A transport as one process has it, with the database that its store needs. */
export interface OpenedTransport {
  readonly transport: Transport;
  readonly database: Database;
  /** Closes what was opened; the store has closed the transport. */
  close(): Promise<void>;
}

/** What a module exports so that any process can open the transport on the same data. */
export interface TransportModule {
  openTransport(place: unknown): Promise<OpenedTransport>;
}

const step = { type: "integer" } as const;
export const Stepped = defineEvent("lab.step_taken", {
  schema: { type: "object", required: ["step"], properties: { step, poison: { type: "boolean" } } },
});
export const LaneStepped = defineEvent("lab.lane_step_taken", {
  schema: { type: "object", required: ["step", "lane"], properties: { step, lane: { type: "string" } } },
  key: ({ lane }) => lane,
});
export type Step = DomainEvent<{ readonly step: number; readonly poison?: boolean; readonly lane?: string }>;

export const stepSubscriber = "walks.remember_steps";
export const laneSubscriber = "walks.follow_lanes";

/** A store with a subscriber for each of the two events. */
export function openLabStore(
  { transport, database }: OpenedTransport,
  handle: (event: Step) => Promise<void>,
  limits: Partial<Limits> = {},
): EventStore {
  return createEventStore({
    transport,
    database,
    source: "/lab",
    limits,
    configure(registry) {
      registry.subscribe(defineSubscriber(stepSubscriber, { handle }), { to: Stepped });
      registry.subscribe(defineSubscriber(laneSubscriber, { handle }), { to: LaneStepped });
    },
  });
}
