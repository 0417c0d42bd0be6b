import type { Analytics } from "@signalbox/analytics";
import type { EventStore } from "@signalbox/event-store";
import type { Catalogue } from "@signalbox/event-store/catalogue";
import type { Clock } from "@signalbox/kernel";
import type { Operations } from "../operations.js";
import type { Schemas } from "../schemas.js";

/** What the routes need. */
export interface ApiDependencies {
  readonly eventStore: () => EventStore;
  readonly catalogue: () => Catalogue;
  readonly analytics: Analytics;
  readonly operations: Operations;
  readonly schemas: Schemas;
  readonly clock: Clock;
  /** Something has changed that listeners may want to know. */
  readonly changed: () => void;
}
