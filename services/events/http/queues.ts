import type { QueueState } from "@signalbox/event-store";
import { toMarkdown, toMermaid } from "@signalbox/event-store/catalogue";
import { decodeCursor, HttpProblem, pageParameters, principalOf } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import { judgeNoise } from "../noise.js";
import {
  noSubscriptionStatistics,
  type SubscriptionStatistics,
  subscriptionStatistics,
  type WorkStatistics,
  workStatistics,
} from "../statistics.js";
import { countSchema, isoTime, jsonAnswer, listAnswer, page, shareSchema, textOrNull } from "./answers.js";
import type { ApiDependencies } from "./dependencies.js";

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** Parts of the hour that `work` covers. */
const workParts = 30;

const subscriberParameter = {
  type: "string",
  maxLength: 200,
  description: "Name of the subscriber.",
  examples: ["error_tracking.digest"],
} as const;

const noiseExample = {
  condition_false_share: 0.4,
  mean_condition_us: 1.5,
  runs: 1200,
  ignored_share: 0.02,
  advice: null,
};

const workExample = {
  handled: 840,
  retried: 12,
  dead: 1,
  p50_s: 0.004,
  p95_s: 0.03,
  wait_p95_s: 0.012,
  per_two_minutes: Array.from({ length: workParts }, () => 28),
};

const queueExample = {
  subscriber: "error_tracking.digest",
  declared: true,
  paused: false,
  depth: { ready: 3, scheduled: 1, running: 2, blocked: 0 },
  oldest_ready_at: "2026-03-01T09:30:00.125Z",
  subscriptions: [
    {
      id: "error_tracking.digest/error_tracking.event_received",
      event: "error_tracking.event_received",
      has_condition: false,
      has_key: false,
      options: { urgency: "high", timeoutMs: 300000 },
      noise: noiseExample,
    },
  ],
  work: workExample,
};

const queueProperties = {
  subscriber: { type: "string" },
  declared: { type: "boolean", description: "False: left behind by a subscriber that there is not any more." },
  paused: { type: "boolean" },
  depth: {
    type: "object",
    required: ["ready", "scheduled", "running", "blocked"],
    properties: { ready: countSchema, scheduled: countSchema, running: countSchema, blocked: countSchema },
  },
  oldest_ready_at: { ...textOrNull, description: "Since when the oldest one could be handled." },
  subscriptions: {
    type: "array",
    items: {
      type: "object",
      required: ["id", "event", "has_condition", "has_key", "options", "noise"],
      properties: {
        id: { type: "string" },
        event: { type: "string" },
        has_condition: { type: "boolean" },
        has_key: { type: "boolean" },
        options: { type: "object", additionalProperties: true, description: "All of them, defaults filled in." },
        noise: {
          type: ["object", "null"],
          required: Object.keys(noiseExample),
          description:
            "What it has no use for, over the last 24 hours and as far as it is logged; null while the log cannot be read.",
          properties: {
            condition_false_share: shareSchema,
            mean_condition_us: { type: "number", minimum: 0 },
            runs: countSchema,
            ignored_share: shareSchema,
            advice: { enum: ["add a condition", "too expensive", null] },
          },
        },
      },
    },
  },
  work: {
    type: ["object", "null"],
    required: Object.keys(workExample),
    description: "How it got on over the last hour, as far as it is logged; null while the log cannot be read.",
    properties: {
      handled: countSchema,
      retried: countSchema,
      dead: countSchema,
      p50_s: { type: ["number", "null"], description: "How long handling took; null without any." },
      p95_s: { type: ["number", "null"] },
      wait_p95_s: { type: ["number", "null"], description: "How long work waited once it could be handled." },
      per_two_minutes: { type: "array", items: countSchema, description: "Attempts, oldest first." },
    },
  },
} as const;

const queueSchema = { type: "object", required: Object.keys(queueProperties), properties: queueProperties } as const;

const detailExample = {
  ...queueExample,
  blocked_keys: [
    {
      key: "pipelines/7",
      waiting: 4,
      blocking: { delivery_id: "01JZ3V2M5T8Q4X9C7B6A1D0E2F.a.b/c.d", attempts: 2, due_at: "2026-03-01T09:30:00.125Z" },
    },
  ],
};

const detailSchema = {
  type: "object",
  required: [...queueSchema.required, "blocked_keys"],
  properties: {
    ...queueProperties,
    blocked_keys: {
      type: "array",
      maxItems: 100,
      items: {
        type: "object",
        required: ["key", "waiting", "blocking"],
        properties: {
          key: { type: "string" },
          waiting: countSchema,
          blocking: {
            type: ["object", "null"],
            required: ["delivery_id", "attempts", "due_at"],
            description: "The one that is waited for; null while it is running.",
            properties: { delivery_id: { type: "string" }, attempts: countSchema, due_at: { type: "string" } },
          },
        },
      },
    },
  },
} as const;

const graphFormats = ["mermaid", "json", "markdown"] as const;

/** Who subscribes to what, what waits for whom, and the two together as a graph. */
export function registerQueueRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { eventStore, analytics, catalogue, clock, operations, changed } = dependencies;

  /** The queues are worth seeing also while the dispatch log is away. */
  const statistics = (): Promise<ReadonlyMap<string, SubscriptionStatistics> | null> =>
    subscriptionStatistics(analytics, clock.nowMs() - dayMs).catch(() => null);

  const work = (): Promise<ReadonlyMap<string, WorkStatistics> | null> => {
    const nowMs = clock.nowMs();
    return workStatistics(analytics, nowMs - hourMs, nowMs, workParts).catch(() => null);
  };

  const describe = (
    state: QueueState,
    figures: ReadonlyMap<string, SubscriptionStatistics> | null,
    worked: ReadonlyMap<string, WorkStatistics> | null,
  ) => {
    const { ready, scheduled, running, blocked, oldestReadyMs } = state.depth;
    return {
      subscriber: state.subscriber,
      declared: state.declared,
      paused: state.paused,
      depth: { ready, scheduled, running, blocked },
      oldest_ready_at: isoTime(oldestReadyMs),
      subscriptions: eventStore()
        .describe()
        .subscriptions.filter(({ subscriber }) => subscriber === state.subscriber)
        .map(({ id, event, hasCondition, hasKey, options }) => ({
          id,
          event,
          has_condition: hasCondition,
          has_key: hasKey,
          options,
          noise: figures && toNoise(figures.get(id) ?? noSubscriptionStatistics, hasCondition),
        })),
      work: worked && toWork(worked.get(state.subscriber)),
    };
  };

  const known = async (subscriber: string): Promise<QueueState> => {
    const state = await eventStore().queues.get(subscriber);
    if (!state) throw new HttpProblem("not_found", { detail: `There is no subscriber ${subscriber}.` });
    return state;
  };

  app.get<{ Querystring: { limit: number; cursor?: string } }>("/subscriptions", {
    config: { access: { scope: "events:read" }, errors: ["EVT_FILTER_INVALID", "invalid_cursor", "unavailable"] },
    schema: {
      summary: "List the subscribers with what waits for them",
      tags: ["events"],
      querystring: { type: "object", properties: pageParameters },
      response: { 200: listAnswer("Subscribers by name.", queueSchema, queueExample) },
    },
    async handler(request, reply) {
      const { limit, cursor } = request.query;
      const after = cursor === undefined ? "" : decodeCursor(cursor, isText);
      const [states, figures, worked] = await Promise.all([eventStore().queues.list(), statistics(), work()]);
      const found = states
        .filter(({ subscriber }) => subscriber > after)
        .toSorted((left, right) => (left.subscriber < right.subscriber ? -1 : 1));
      return page(request, reply, limit, found, ({ subscriber }) => subscriber).map((state) =>
        describe(state, figures, worked),
      );
    },
  });

  app.get<{ Params: { subscriber: string } }>("/subscriptions/:subscriber", {
    config: { access: { scope: "events:read" }, errors: ["not_found", "EVT_FILTER_INVALID", "unavailable"] },
    schema: {
      summary: "Show a subscriber with what waits for it",
      tags: ["events"],
      params: { type: "object", properties: { subscriber: subscriberParameter } },
      response: { 200: jsonAnswer("The subscriber.", detailSchema, detailExample) },
    },
    async handler({ params: { subscriber } }) {
      const state = await known(subscriber);
      const [figures, worked, keys] = await Promise.all([
        statistics(),
        work(),
        eventStore().queues.blockedKeys(subscriber),
      ]);
      return {
        ...describe(state, figures, worked),
        blocked_keys: keys.map(({ key, waiting, blocking }) => ({
          key,
          waiting,
          blocking: blocking && {
            delivery_id: blocking.deliveryId,
            attempts: blocking.attempts,
            due_at: isoTime(blocking.dueAtMs),
          },
        })),
      };
    },
  });

  for (const [verb, summary] of [
    ["pause", "Let the deliveries of a subscriber wait"],
    ["resume", "Let the deliveries of a subscriber be handled again"],
  ] as const) {
    app.post<{ Params: { subscriber: string } }>(`/subscriptions/:subscriber/${verb}`, {
      config: { access: { scope: "events:admin" }, errors: ["not_found", "EVT_FILTER_INVALID", "unavailable"] },
      schema: {
        summary,
        description: "Takes effect in every process within 5 s, and holds until it is taken back.",
        tags: ["events"],
        params: { type: "object", properties: { subscriber: subscriberParameter } },
        response: { 204: { description: "Done.", type: "null" } },
      },
      async handler(request, reply) {
        const { subscriber } = await known(request.params.subscriber);
        await eventStore()[verb](subscriber);
        await operations.note(verb, subscriber, principalOf(request).subject, 0);
        changed();
        return reply.code(204).send();
      },
    });
  }

  app.delete<{ Params: { subscriber: string } }>("/subscriptions/:subscriber/deliveries", {
    config: { access: { scope: "events:admin" }, errors: ["not_found", "EVT_FILTER_INVALID", "unavailable"] },
    schema: {
      summary: "Delete what waits for a subscriber",
      description: "Not what is running, and not its dead letters. It cannot be undone.",
      tags: ["events"],
      params: { type: "object", properties: { subscriber: subscriberParameter } },
      response: {
        200: jsonAnswer(
          "What was deleted.",
          { type: "object", required: ["removed"], properties: { removed: countSchema } },
          { removed: 17 },
        ),
      },
    },
    async handler(request) {
      const { subscriber } = await known(request.params.subscriber);
      const removed = await eventStore().queues.purge(subscriber);
      await operations.note("purge", subscriber, principalOf(request).subject, removed);
      changed();
      return { removed };
    },
  });

  app.get("/manifest", {
    config: { access: { scope: "events:read" }, errors: ["EVT_FILTER_INVALID"] },
    schema: {
      summary: "Show what the event store is made of",
      description:
        "Events, subscriptions with all their options, the transport and the limits. Equal programs give equal ones.",
      tags: ["events"],
      response: {
        200: jsonAnswer(
          "The manifest.",
          { type: "object", required: ["events", "subscriptions", "transport", "limits"], additionalProperties: true },
          { events: [], subscriptions: [], transport: { name: "sql (SQLite)" }, limits: { slots: 64 } },
        ),
      },
    },
    handler: async () => ({ ...eventStore().describe() }),
  });

  app.get<{ Querystring: { format: (typeof graphFormats)[number] } }>("/graph", {
    config: { access: { scope: "events:read" }, errors: ["EVT_FILTER_INVALID"] },
    schema: {
      summary: "Show who publishes and who subscribes",
      tags: ["events"],
      querystring: {
        type: "object",
        properties: {
          format: {
            enum: graphFormats,
            default: "json",
            description: "A Mermaid graph, the catalogue as JSON, or its pages as JSON: Markdown by path.",
            examples: ["mermaid"],
          },
        },
      },
      response: {
        200: {
          description: "The graph.",
          content: {
            "application/json": { schema: { type: "object", additionalProperties: true, examples: [{ events: [] }] } },
            "text/plain": { schema: { type: "string", examples: ["graph LR\n"] } },
          },
        },
      },
    },
    async handler({ query: { format } }, reply) {
      if (format === "mermaid") return reply.type("text/plain; charset=utf-8").send(toMermaid(catalogue()));
      reply.type("application/json; charset=utf-8");
      if (format === "json") return { ...catalogue() };
      return Object.fromEntries(toMarkdown(catalogue(), { command: "GET /api/v1/events/graph?format=markdown" }));
    },
  });
}

function toWork(figures: WorkStatistics | undefined) {
  const seconds = (ms: number | undefined): number | null => (ms === undefined ? null : ms / 1000);
  return {
    handled: figures?.handled ?? 0,
    retried: figures?.retried ?? 0,
    dead: figures?.dead ?? 0,
    p50_s: seconds(figures?.p50Ms),
    p95_s: seconds(figures?.p95Ms),
    wait_p95_s: seconds(figures?.waitP95Ms),
    per_two_minutes: figures?.perPart ?? Array.from({ length: workParts }, () => 0),
  };
}

function toNoise(figures: SubscriptionStatistics, hasCondition: boolean) {
  const noise = judgeNoise(figures, hasCondition);
  return {
    condition_false_share: noise.conditionFalseShare,
    mean_condition_us: noise.meanConditionUs,
    runs: noise.runs,
    ignored_share: noise.ignoredShare,
    advice: noise.advice,
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
