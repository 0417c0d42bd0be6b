import { backup } from "./backup.js";
import { errorTracking } from "./error-tracking.js";
import { events } from "./events.js";
import { experience } from "./experience.js";
import { gitRelay } from "./git-relay.js";
import type { SystemDefinition } from "./system.js";

export type { ServerSystem, SystemContext, SystemDefinition, SystemFamilies, SystemRoutes } from "./system.js";

/** The systems of the server, in the order in which they start. */
export const systems: readonly SystemDefinition[] = [events, errorTracking, experience, gitRelay, backup];
