import { builtInDefinitions } from "./built-in-definitions.js";
import type { Definition } from "./definition.js";

/** All definitions at one moment. Immutable: a reload makes a new one, so that no reader ever sees half of it. */
export interface Registry {
  get(id: string): Definition | undefined;
  /** Sorted by id, the built-in ones included. */
  readonly definitions: readonly Definition[];
}

export function createRegistry(definitions: readonly Definition[] = []): Registry {
  const byId = new Map([...definitions, ...builtInDefinitions].map((definition) => [definition.id, definition]));
  const sorted = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return Object.freeze({ get: (id: string) => byId.get(id), definitions: Object.freeze(sorted) });
}
