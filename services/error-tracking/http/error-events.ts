import { decodeCursor, pageParameters } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import {
  type EventSort,
  eventSorts,
  findEvent,
  isEventPosition,
  listEvents,
  type StoredEvent,
} from "../find-events.js";
import { findIssue } from "../find-issue.js";
import type { Issue } from "../list-issues.js";
import { ReadError } from "../read-errors.js";
import { type ApiDependencies, linkPages, visibleProject } from "./api-dependencies.js";
import {
  errorEventExample,
  errorEventSchema,
  fingerprintParameter,
  jsonAnswer,
  listAnswer,
  projectParameter,
} from "./api-schemas.js";

interface EventsParams {
  readonly id: number;
  readonly fingerprint: number;
}

const params = { id: projectParameter, fingerprint: fingerprintParameter } as const;
const readable = ["ET_PROJECT_NOT_FOUND", "ET_ISSUE_NOT_FOUND", "unavailable"];

/** Events of one error, with their payloads. */
export function registerErrorEventRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { database, projects } = dependencies;

  app.get<{ Params: EventsParams; Querystring: { sort: EventSort; cursor?: string; limit: number } }>(
    "/projects/:id/errors/:fingerprint/events",
    {
      config: { access: { scope: "errors:read" }, errors: [...readable, "invalid_cursor"] },
      schema: {
        summary: "List the events of an error",
        tags: ["errors"],
        params: { type: "object", properties: params },
        querystring: {
          type: "object",
          properties: {
            sort: {
              enum: eventSorts,
              default: "occurred_at_asc",
              description: "Order of the list.",
              examples: ["occurred_at_desc"],
            },
            ...pageParameters,
          },
        },
        response: { 200: listAnswer("The events.", errorEventSchema, errorEventExample) },
      },
      async handler(request, reply) {
        const { sort, cursor, limit } = request.query;
        const from = cursor === undefined ? undefined : decodeCursor(cursor, isEventPosition);
        const project = await visibleProject(request, projects, request.params.id);
        const issue = await findIssue(database, project.id, request.params.fingerprint);
        const page = await listEvents(dependencies, issue, sort, limit, from);
        linkPages(request, reply, limit, page);
        return page.items.map((event) => toErrorEvent(issue, event));
      },
    },
  );
}

/** One event of an error, by place or by id. */
export function registerSingleEventRoute(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { database, projects } = dependencies;

  app.get<{ Params: EventsParams & { event: string } }>("/projects/:id/errors/:fingerprint/events/:event", {
    config: { access: { scope: "errors:read" }, errors: [...readable, "ET_EVENT_NOT_FOUND"] },
    schema: {
      summary: "Show one event of an error",
      tags: ["errors"],
      params: {
        type: "object",
        properties: {
          ...params,
          event: {
            type: "string",
            pattern: "^(?:latest|oldest|[0-9a-f]{32})$",
            description: "`latest`, `oldest`, or the id of an event.",
            examples: ["latest"],
          },
        },
      },
      response: { 200: jsonAnswer("The event.", errorEventSchema, errorEventExample) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      const issue = await findIssue(database, project.id, request.params.fingerprint);
      const { event } = request.params;
      const which = event === "latest" || event === "oldest" ? event : { eventId: event };
      const found = await findEvent(dependencies, issue, which);
      if (found === undefined) throw new ReadError("ET_EVENT_NOT_FOUND");
      return toErrorEvent(issue, found);
    },
  });
}

function toErrorEvent(issue: Issue, event: StoredEvent) {
  return {
    fingerprint: issue.id,
    project_id: issue.project_id,
    payload: event.payload,
    name: event.name,
    description: event.description,
    actor: event.actor,
    environment: event.environment,
    platform: event.platform,
    event_id: event.eventId,
    occurred_at: event.occurredAt,
  };
}
