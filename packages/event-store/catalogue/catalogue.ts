import type { CompatibilityMode, Deprecation, EventDefinition, LogMode } from "../define-event.js";
import type { EventStore } from "../event-store.js";
import type { Subscription } from "../registry.js";
import { type SchemaField, schemaFields } from "./schema-fields.js";

/** Where an event is made, to be published. */
export interface PublishSite {
  /** Relative to the folder that was searched, with `/`. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** One subscription, as a reader wants to know it. */
export interface CatalogueSubscriber {
  readonly subscription: string;
  readonly subscriber: string;
  /** First segment of the subscriber's name: the module that it belongs to. */
  readonly context: string;
  /** Source text; `null` without a condition. */
  readonly condition: string | null;
  readonly delayMs: number;
  /** JSON Pointers of the fields that it reads; `null`: all. */
  readonly fields: readonly string[] | null;
}

export interface CatalogueEvent {
  readonly type: string;
  readonly context: string;
  readonly version: number;
  /** Those that can still be read, oldest first. */
  readonly versions: readonly number[];
  readonly description: string | null;
  readonly owner: string | null;
  readonly category: string | null;
  readonly edition: string | null;
  readonly flag: string | null;
  readonly log: LogMode;
  readonly sensitive: readonly string[];
  readonly compatibility: CompatibilityMode | null;
  readonly deprecated: Deprecation | null;
  readonly schema: object;
  /** Every field that the schema names, outermost first. */
  readonly fields: readonly SchemaField[];
  readonly examples: readonly unknown[];
  readonly publishSites: readonly PublishSite[];
  /** In dispatch order. */
  readonly subscribers: readonly CatalogueSubscriber[];
}

/** Events by type, sorted. Made of JSON; equal stores and sources have equal catalogues. */
export interface Catalogue {
  readonly events: readonly CatalogueEvent[];
}

export interface CatalogueSource {
  readonly store: Pick<EventStore, "definitions" | "subscribersFor">;
  /** By event type; see `findPublishSites`. */
  readonly publishSites?: ReadonlyMap<string, readonly PublishSite[]>;
}

/** Everything that definitions, subscriptions and sources say about the events of a store. */
export function buildCatalogue({ store, publishSites = new Map() }: CatalogueSource): Catalogue {
  const events = store.definitions.map((definition) =>
    describeEvent(definition, store.subscribersFor(definition.type), publishSites.get(definition.type) ?? []),
  );
  return { events: events.toSorted((left, right) => (left.type < right.type ? -1 : 1)) };
}

function describeEvent(
  definition: EventDefinition<unknown>,
  subscriptions: readonly Subscription[],
  publishSites: readonly PublishSite[],
): CatalogueEvent {
  const { version, oldestVersion, schema } = definition;
  return {
    type: definition.type,
    context: definition.context,
    version,
    versions: Array.from({ length: version - oldestVersion + 1 }, (_, index) => oldestVersion + index),
    description: definition.description ?? null,
    owner: definition.owner ?? null,
    category: definition.category ?? null,
    edition: definition.edition ?? null,
    flag: definition.flag ?? null,
    log: definition.log,
    sensitive: definition.sensitive,
    compatibility: definition.compatibility ?? null,
    deprecated: definition.deprecated ?? null,
    schema,
    fields: schemaFields(schema),
    examples: definition.examples,
    publishSites: publishSites.toSorted((left, right) =>
      left.file === right.file ? left.line - right.line : left.file < right.file ? -1 : 1,
    ),
    subscribers: subscriptions.map(describeSubscriber),
  };
}

function describeSubscriber({ id, subscriber, condition, options }: Subscription): CatalogueSubscriber {
  return {
    subscription: id,
    subscriber: subscriber.name,
    context: subscriber.context,
    condition: condition === null ? null : sourceText(condition),
    delayMs: options.delayMs,
    fields: "fields" in options && Array.isArray(options.fields) ? options.fields : null,
  };
}

/** A function as it is written, without the indentation of the place where it stands. */
function sourceText(value: (...args: never[]) => unknown): string {
  const [first = "", ...rest] = String(value).split("\n");
  const indents = rest.filter((line) => line.trim() !== "").map((line) => line.length - line.trimStart().length);
  const indent = Math.min(...indents, Number.MAX_SAFE_INTEGER);
  return [first, ...rest.map((line) => line.slice(indent))].join("\n");
}
