import { createHash } from "node:crypto";
import { InvalidEvent } from "@signalbox/event-store";
import type { CatalogueEvent } from "@signalbox/event-store/catalogue";
import { decodeCursor, pageParameters } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import { noTypeStatistics, type Publisher, publishersOf, type TypeStatistics, typeStatistics } from "../statistics.js";
import { countSchema, jsonAnswer, listAnswer, page, shareSchema, textOrNull } from "./answers.js";
import type { ApiDependencies } from "./dependencies.js";

const dayMs = 86_400_000;

const typeParameter = {
  type: "string",
  maxLength: 120,
  description: "Type of the event.",
  examples: ["error_tracking.issue_created"],
} as const;

const typeExample = {
  type: "error_tracking.issue_created",
  context: "error_tracking",
  version: 1,
  versions: [1],
  description: "An error that belongs to no known issue made a new one",
  owner: "error-tracking",
  category: "observability",
  edition: null,
  flag: null,
  log: "all",
  sensitive: [],
  deprecated: null,
  schema: { type: "object", properties: { issue_id: { type: "integer" } } },
  fields: [{ pointer: "/issue_id", type: "integer", required: false, description: "", constraints: "" }],
  examples: [],
  subscribers: [
    {
      subscription: "alerts.notify/error_tracking.issue_created",
      subscriber: "alerts.notify",
      context: "alerts",
      condition: null,
      delay_ms: 0,
    },
  ],
  publishers: [{ caller: "POST /api/:project/envelope/", handling: "error_tracking.event_received", published: 42 }],
  published_24h: 42,
  attempts_24h: 42,
  failure_share: 0.05,
  handler_p50_s: 0.012,
  handler_p95_s: 0.18,
};

const anyObject = { type: "object", additionalProperties: true } as const;
const countOrNull = { type: ["integer", "null"], minimum: 0 } as const;
const secondsOrNull = { type: ["number", "null"], minimum: 0 } as const;

const typeSchema = {
  type: "object",
  required: Object.keys(typeExample),
  properties: {
    type: { type: "string" },
    context: { type: "string", description: "The module that publishes it." },
    version: countSchema,
    versions: { type: "array", items: countSchema, description: "Versions whose schemas are known." },
    description: textOrNull,
    owner: textOrNull,
    category: textOrNull,
    edition: textOrNull,
    flag: textOrNull,
    log: { enum: ["all", "failures", "off"], description: "What of it is in the dispatch log." },
    sensitive: { type: "array", items: { type: "string" }, description: "JSON Pointers that are redacted." },
    deprecated: { type: ["object", "null"], additionalProperties: true },
    schema: { ...anyObject, description: "JSON Schema of the data." },
    fields: { type: "array", items: anyObject, description: "The fields that the schema names." },
    examples: { type: "array", items: {} },
    subscribers: {
      type: "array",
      items: {
        type: "object",
        required: ["subscription", "subscriber", "context", "condition", "delay_ms"],
        properties: {
          subscription: { type: "string" },
          subscriber: { type: "string" },
          context: { type: "string" },
          condition: { ...textOrNull, description: "Its source." },
          delay_ms: countSchema,
        },
      },
    },
    publishers: {
      type: ["array", "null"],
      description: "Who published the newest of the last 24 hours, as far as they are logged; null when nobody knows.",
      items: {
        type: "object",
        required: ["caller", "handling", "published"],
        properties: {
          caller: { ...textOrNull, description: "What the chain of events began with." },
          handling: { ...textOrNull, description: "Type of the event that was being handled." },
          published: countSchema,
        },
      },
    },
    published_24h: {
      ...countOrNull,
      description: "As far as it is logged; this and the other figures are null while the log cannot be read.",
    },
    attempts_24h: countOrNull,
    failure_share: { ...shareSchema, description: "Failed ones among the attempts of the last 24 hours." },
    handler_p50_s: secondsOrNull,
    handler_p95_s: secondsOrNull,
  },
} as const;

/** What can be published, and how it fares. */
export function registerTypeRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { analytics, catalogue, clock, schemas } = dependencies;

  const describe = async (events: readonly CatalogueEvent[]) => {
    const types = events.map(({ type }) => type);
    const sinceMs = clock.nowMs() - dayMs;
    const [statistics, publishers, versions] = await Promise.all([
      // Schemas are worth seeing also while the dispatch log is away.
      typeStatistics(analytics, types, sinceMs).catch(() => null),
      publishersOf(analytics, types, sinceMs).catch(() => null),
      schemas.versions(types),
    ]);
    return events.map((event) =>
      toType(event, {
        remembered: versions.get(event.type) ?? [],
        statistics: statistics && (statistics.get(event.type) ?? noTypeStatistics),
        publishers: publishers && (publishers.get(event.type) ?? []),
      }),
    );
  };

  app.get<{ Querystring: { limit: number; cursor?: string; context?: string } }>("/types", {
    config: { access: { scope: "events:read" }, errors: ["EVT_FILTER_INVALID", "invalid_cursor", "unavailable"] },
    schema: {
      summary: "List the event types",
      tags: ["events"],
      querystring: {
        type: "object",
        properties: {
          context: {
            type: "string",
            maxLength: 120,
            description: "Only events of this module.",
            examples: ["error_tracking"],
          },
          ...pageParameters,
        },
      },
      response: { 200: listAnswer("Event types by name.", typeSchema, typeExample) },
    },
    async handler(request, reply) {
      const { limit, cursor, context } = request.query;
      const after = cursor === undefined ? "" : decodeCursor(cursor, isText);
      const found = catalogue().events.filter(
        (event) => event.type > after && (context === undefined || event.context === context),
      );
      return describe(page(request, reply, limit, found, ({ type }) => type));
    },
  });

  app.get<{ Params: { type: string } }>("/types/:type", {
    config: { access: { scope: "events:read" }, errors: ["EVT_UNKNOWN_TYPE", "EVT_FILTER_INVALID", "unavailable"] },
    schema: {
      summary: "Show an event type",
      tags: ["events"],
      params: { type: "object", properties: { type: typeParameter } },
      response: { 200: jsonAnswer("The event type.", typeSchema, typeExample) },
    },
    async handler({ params: { type } }) {
      const event = catalogue().events.find((one) => one.type === type);
      if (!event) throw unknownType(type);
      const [described] = await describe([event]);
      return described;
    },
  });

  app.get<{ Params: { type: string; version: number } }>("/schemas/:type/v:version", {
    config: { access: { scope: "events:read" }, errors: ["EVT_UNKNOWN_TYPE", "EVT_FILTER_INVALID", "unavailable"] },
    schema: {
      summary: "Show the schema of an event type",
      description: "What `dataschema` of an event points at.",
      tags: ["events"],
      params: {
        type: "object",
        properties: {
          type: typeParameter,
          version: { type: "integer", minimum: 1, description: "Version of the event type.", examples: [1] },
        },
      },
      headers: {
        type: "object",
        properties: {
          "if-none-match": {
            type: "string",
            description: "Entity tag of the schema that is known already.",
            examples: ['"2c26b46b68ffc68ff99b453c1d304134"'],
          },
        },
      },
      response: {
        200: {
          description: "JSON Schema of the event's data.",
          headers: { ETag: { type: "string", description: "Changes with the schema." } },
          content: { "application/schema+json": { schema: { type: "object", examples: [typeExample.schema] } } },
        },
        304: { description: "The schema is the one that is known.", type: "null" },
      },
    },
    async handler({ params: { type, version }, headers }, reply) {
      const definition = catalogue().events.find((one) => one.type === type);
      const current = definition?.version === version ? JSON.stringify(definition.schema) : undefined;
      const text = current ?? (await schemas.find(type, version));
      if (text === null) throw unknownType(`${type} v${version}`);
      const tag = `"${createHash("sha256").update(text).digest("hex").slice(0, 32)}"`;
      reply.header("etag", tag);
      reply.header("cache-control", "private, no-cache");
      if (matches(headers["if-none-match"], tag)) return reply.code(304).send();
      return reply.type("application/schema+json; charset=utf-8").send(Buffer.from(text));
    },
  });
}

/** What is known of an event beside its definition; `null` while the dispatch log is away. */
interface Observed {
  readonly remembered: readonly number[];
  readonly statistics: TypeStatistics | null;
  readonly publishers: readonly Publisher[] | null;
}

function toType(event: CatalogueEvent, { remembered, statistics, publishers }: Observed) {
  const { published, attempts, failed, p50Ms, p95Ms } = statistics ?? unknownStatistics;
  return {
    type: event.type,
    context: event.context,
    version: event.version,
    versions: [...new Set([...remembered, event.version])].toSorted((left, right) => left - right),
    description: event.description,
    owner: event.owner,
    category: event.category,
    edition: event.edition,
    flag: event.flag,
    log: event.log,
    sensitive: event.sensitive,
    deprecated: event.deprecated,
    schema: event.schema,
    fields: event.fields,
    examples: event.examples,
    subscribers: event.subscribers.map(({ subscription, subscriber, context, condition, delayMs }) => ({
      subscription,
      subscriber,
      context,
      condition,
      delay_ms: delayMs,
    })),
    publishers,
    published_24h: published,
    attempts_24h: attempts,
    failure_share: attempts === null || failed === null || attempts === 0 ? null : failed / attempts,
    handler_p50_s: p50Ms === null ? null : p50Ms / 1_000,
    handler_p95_s: p95Ms === null ? null : p95Ms / 1_000,
  };
}

const unknownStatistics = { published: null, attempts: null, failed: null, p50Ms: null, p95Ms: null };

function unknownType(type: string): InvalidEvent {
  return new InvalidEvent("EVT_UNKNOWN_TYPE", { message: `There is no event type ${type} here.`, details: { type } });
}

function matches(header: string | undefined, tag: string): boolean {
  return header?.split(",").some((one) => one.trim().replace(/^W\//, "") === tag || one.trim() === "*") ?? false;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
