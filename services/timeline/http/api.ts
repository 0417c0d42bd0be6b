import { HttpProblem, principalOf } from "@signalbox/http";
import { type Clock, isCorrelationId, type Logger } from "@signalbox/kernel";
import type { TimelineSource } from "@signalbox/timeline";
import type { FastifyPluginAsync } from "fastify";
import { gatherTimeline, type Timeline } from "../gather-timeline.js";
import { toMarkdown } from "../to-markdown.js";
import { timelineExample, timelineSchema } from "./schemas.js";

export interface TimelineApiDependencies {
  /** Each system's part of the story. */
  readonly sources: readonly TimelineSource[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a source may take. Default 5,000. */
  readonly sourceTimeoutMs?: number;
}

const defaultTimeoutMs = 5_000;

/** `GET /api/v1/timeline/{correlation_id}`: everything that carried an id. */
export function createTimelineApi(dependencies: TimelineApiDependencies): FastifyPluginAsync {
  const { sources, clock, sourceTimeoutMs: timeoutMs = defaultTimeoutMs } = dependencies;
  const logger = dependencies.logger.child("timeline");
  return async (app) => {
    app.get<{ Params: { correlation_id: string }; Querystring: { limit: number; format: "json" | "markdown" } }>(
      "/api/v1/timeline/:correlation_id",
      {
        config: { access: { scope: "timeline:read" }, errors: [] },
        schema: {
          summary: "Show everything that carried a correlation id",
          tags: ["timeline"],
          params: {
            type: "object",
            properties: {
              correlation_id: {
                type: "string",
                description: "A ULID, a UUID, 32 hex digits, or any other id of at most 64 printable characters.",
                examples: ["01JZ3V2M5T8Q4X9C7B6A1D0E2F"],
              },
            },
          },
          querystring: {
            type: "object",
            properties: {
              limit: {
                type: "integer",
                minimum: 1,
                maximum: 1_000,
                default: 500,
                description: "Entries of each system at most; the earliest ones are shown.",
                examples: [500],
              },
              format: {
                enum: ["json", "markdown"],
                default: "json",
                description: "`markdown` is a document for a ticket or a chat.",
                examples: ["json"],
              },
            },
          },
          response: {
            200: {
              description: "What happened, in order. Empty when nothing carried the id.",
              content: {
                "application/json": { schema: timelineSchema, examples: { example: { value: timelineExample } } },
                "text/markdown": {
                  schema: { type: "string" },
                  examples: { example: { value: "# Timeline of `01JZ3V2M5T8Q4X9C7B6A1D0E2F` …" } },
                },
              },
            },
          },
        },
      },
      async (request, reply) => {
        const { correlation_id: correlationId } = request.params;
        if (!isCorrelationId(correlationId))
          throw new HttpProblem("invalid_parameter", {
            detail: "The correlation id must be 1 to 64 printable characters.",
            errors: [
              { pointer: "/path/correlation_id", code: "invalid_parameter", message: "is not a correlation id" },
            ],
          });
        const timeline = await gatherTimeline(
          sources,
          { correlationId, principal: principalOf(request), limit: request.query.limit },
          { clock, logger, timeoutMs },
        );
        if (request.query.format === "json") return toBody(timeline);
        return reply.type("text/markdown; charset=utf-8").send(toMarkdown(timeline));
      },
    );
  };
}

function toBody({ correlationIds, entries, sources }: Timeline) {
  const [correlationId, ...aliases] = correlationIds;
  return {
    correlation_id: correlationId,
    aliases,
    complete: sources.every(({ state }) => state === "complete"),
    not_visible_to_you: sources.reduce((sum, { hidden }) => sum + hidden, 0),
    sources: sources.map(({ name, state, entries: count, hidden }) => ({
      name,
      state,
      entries: count,
      not_visible_to_you: hidden,
    })),
    entries: entries.map(
      ({ id, kind, atMs, title, status, outcome, durationMs, link, causedBy, related, explanation, details }) => ({
        id,
        kind,
        at: new Date(atMs).toISOString(),
        title,
        status,
        outcome,
        related,
        ...(link === undefined ? {} : { link }),
        ...(durationMs === undefined ? {} : { duration_s: durationMs / 1_000 }),
        ...(causedBy === undefined ? {} : { caused_by: causedBy }),
        ...(explanation === undefined ? {} : { explanation }),
        ...(details === undefined ? {} : { details }),
      }),
    ),
  };
}
