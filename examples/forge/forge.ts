import type { EventStore } from "@signalbox/event-store";
import type { Client } from "@signalbox/experience-sdk";

/** What the modules of the forge work with. Known once it runs, so each is asked for when it is needed. */
export interface Forge {
  events(): EventStore;
  journeys(): Client;
  captureError(error: unknown): void;
}
