import type { EventStore } from "../event-store.js";
import type { Catalogue, CatalogueEvent } from "./catalogue.js";

/** Who may own events, and which categories there are. */
export interface Ownership {
  readonly owners: readonly string[];
  readonly categories: readonly string[];
}

/** Something that a catalogue lacks, of one event. */
export interface CatalogueProblem {
  readonly type: string;
  /** What is wrong and what to do about it. */
  readonly message: string;
}

const ownershipFile = "event-store.owners.json";

/** Reads the content of `event-store.owners.json`. @throws {TypeError} saying what it must hold. */
export function parseOwnership(json: string): Ownership {
  const value: unknown = JSON.parse(json);
  const names = (key: string): readonly string[] => {
    const list: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
    if (Array.isArray(list) && list.every((name) => typeof name === "string")) return list;
    throw new TypeError(`${ownershipFile} must hold \`${key}\`, a list of names`);
  };
  return { owners: names("owners"), categories: names("categories") };
}

/** What keeps the catalogue from being complete; nothing when it is. Without `ownership` owners may have any name. */
export function checkCatalogue(
  catalogue: Catalogue,
  definitions: EventStore["definitions"],
  ownership?: Ownership,
): readonly CatalogueProblem[] {
  return [
    ...catalogue.events.flatMap((event) =>
      [...gapsOf(event, ownership)].map((message) => ({ type: event.type, message })),
    ),
    ...definitions.flatMap((definition) =>
      definition.examples.flatMap((example, index) => {
        try {
          definition.create(example);
          return [];
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          return [{ type: definition.type, message: `example ${index + 1} does not match the schema: ${reason}` }];
        }
      }),
    ),
    ...sharedPaths(catalogue),
  ];
}

function* gapsOf(event: CatalogueEvent, ownership: Ownership | undefined): Generator<string> {
  for (const key of ["description", "owner", "category"] as const)
    if (event[key] === null) yield `has no ${key}; give one to its \`defineEvent\``;
  const { owner, category } = event;
  if (ownership === undefined) return;
  if (owner !== null && !ownership.owners.includes(owner))
    yield `has the owner ${owner}, which ${ownershipFile} does not list; correct it, or add it to \`owners\``;
  if (category !== null && !ownership.categories.includes(category))
    yield `has the category ${category}, which ${ownershipFile} does not list; correct it, or add it to \`categories\``;
}

/** Two types that differ on paper only would overwrite each other's page. */
function* sharedPaths({ events }: Catalogue): Generator<CatalogueProblem> {
  const taken = new Map<string, string>();
  for (const { type } of events) {
    const path = pagePath(type).toLowerCase();
    const other = taken.get(path);
    if (other !== undefined) yield { type, message: `and ${other} have the same page, ${path}; rename one of them` };
    taken.set(path, type);
  }
}

/** Path of an event's page in the folder of the catalogue. */
export function pagePath(type: string): string {
  return `${type}.md`;
}
