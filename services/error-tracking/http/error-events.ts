import type { Database } from "@signalbox/database";
import { decodeCursor, pageParameters } from "@signalbox/http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { explainGrouping } from "../issues/explain-grouping.js";
import {
  type EventSort,
  eventSorts,
  findEvent,
  findEventInPlace,
  findIssueOfEvent,
  isEventPosition,
  listEvents,
  listMessages,
  type StoredEvent,
} from "../issues/find-events.js";
import type { Issue } from "../issues/list-issues.js";
import { ReadError } from "../issues/read-errors.js";
import { lastCommits } from "../issues/save-release.js";
import { addSourceLinks, releaseIn } from "../issues/source-links.js";
import { prepareOptionsOf, type RepositorySettings, readSettings } from "../projects/project-settings.js";
import { type ApiDependencies, linkPages, visibleIssue, visibleProject } from "./api-dependencies.js";
import {
  errorEventExample,
  errorEventSchema,
  jsonAnswer,
  listAnswer,
  issueParameters as params,
  projectParameter,
} from "./api-schemas.js";

interface EventsParams {
  readonly id: number;
  readonly fingerprint: number;
}

const readable = ["ET_PROJECT_NOT_FOUND", "ET_ISSUE_NOT_FOUND", "unavailable"];

/** Events of one error, with their payloads. */
export function registerErrorEventRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  app.get<{ Params: EventsParams; Querystring: { sort: EventSort; cursor?: string; limit: number } }>(
    "/projects/:id/errors/:fingerprint/events",
    {
      config: {
        ...dependencies.gitlabAccess,
        access: { scope: "errors:read" },
        errors: [...readable, "invalid_cursor"],
      },
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
        const { issue } = await visibleIssue(request, reply, dependencies);
        if (issue === undefined) return reply;
        const page = await listEvents(dependencies, issue, sort, limit, from);
        linkPages(request, reply, limit, page);
        const source = await sourceOf(dependencies.database, issue.project_id, page.items);
        return page.items.map((event) => toErrorEvent(issue, event, source));
      },
    },
  );
}

const eventParameter = {
  type: "string",
  pattern: "^[0-9a-f]{32}$",
  description: "Id of an event.",
  examples: [errorEventExample.event_id],
} as const;

/** Single events: of one error by place or by id, and of a project by id. */
export function registerSingleEventRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects } = dependencies;

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
      response: { 200: jsonAnswer("The event and its neighbours.", placedEventSchema, placedEventExample) },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const { event } = request.params;
      return placed(issue, event === "latest" || event === "oldest" ? event : { eventId: event });
    },
  });

  app.get<{ Params: { id: number; event: string } }>("/projects/:id/errors/events/:event", {
    config: { access: { scope: "errors:read" }, errors: [...readable, "ET_EVENT_NOT_FOUND"] },
    schema: {
      summary: "Show one event of a project",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter, event: eventParameter } },
      response: { 200: jsonAnswer("The event and its neighbours.", placedEventSchema, placedEventExample) },
    },
    async handler(request) {
      const { issue, event } = await eventOfProject(request);
      return placed(issue, { eventId: event });
    },
  });

  app.get<{ Params: { id: number; event: string } }>("/projects/:id/errors/events/:event/grouping", {
    config: { access: { scope: "errors:read" }, errors: [...readable, "ET_EVENT_NOT_FOUND"] },
    schema: {
      summary: "Explain how an event is grouped",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter, event: eventParameter } },
      response: {
        200: jsonAnswer("The hashes of the event, each with what it is made of.", groupingSchema, groupingExample),
      },
    },
    async handler(request) {
      const { project, issue, event } = await eventOfProject(request);
      const found = await findEvent(dependencies, issue, { eventId: event });
      if (found === undefined) throw new ReadError("ET_EVENT_NOT_FOUND");
      const settings = await readSettings(dependencies.database, project.id);
      const grouping = explainGrouping(found.payload, prepareOptionsOf(settings, dependencies.defaults));
      return { fingerprint: issue.id, ...grouping };
    },
  });

  const eventOfProject = async (request: FastifyRequest<{ Params: { id: number; event: string } }>) => {
    const { id, event } = request.params;
    const project = await visibleProject(request, projects, id);
    const issue = await findIssueOfEvent(dependencies, project.id, event);
    if (issue === undefined) throw new ReadError("ET_EVENT_NOT_FOUND");
    return { project, issue, event };
  };

  const placed = async (issue: Issue, which: Parameters<typeof findEvent>[2]) => {
    const found = await findEventInPlace(dependencies, issue, which);
    if (found === undefined) throw new ReadError("ET_EVENT_NOT_FOUND");
    const source = await sourceOf(dependencies.database, issue.project_id, [found.event]);
    return {
      ...toErrorEvent(issue, found.event, source),
      previous: found.previousId ?? null,
      next: found.nextId ?? null,
    };
  };
}

/** Messages of a project: events without exception. */
export function registerMessageRoute(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects } = dependencies;

  app.get<{ Params: { id: number }; Querystring: { limit: number } }>("/projects/:id/messages", {
    config: {
      ...dependencies.gitlabAccess,
      access: { scope: "errors:read" },
      errors: ["ET_PROJECT_NOT_FOUND", "unavailable"],
    },
    schema: {
      summary: "List the newest messages of a project",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      querystring: { type: "object", properties: { limit: pageParameters.limit } },
      response: {
        200: jsonAnswer("Events without exception, newest first.", { type: "array", items: messageSchema }, [
          messageExample,
        ]),
      },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      const messages = await listMessages(dependencies, project.id, request.query.limit);
      return messages.map((message) => ({
        project_id: project.id,
        event_id: message.eventId,
        timestamp: message.occurredAt,
        level: message.level,
        message: message.message,
        release: message.release,
        environment: message.environment,
        platform: message.platform,
      }));
    },
  });
}

const neighbour = (which: string) => ({
  type: ["string", "null"],
  description: `Id of the event ${which} it; null when there is none.`,
});

const placedEventSchema = {
  ...errorEventSchema,
  properties: { ...errorEventSchema.properties, previous: neighbour("before"), next: neighbour("after") },
} as const;

const placedEventExample = { ...errorEventExample, previous: null, next: "b7b86f2bb8b14ad2a86d1a9c0b1a8c3d" } as const;

const messageSchema = {
  type: "object",
  required: ["project_id", "event_id", "timestamp", "level", "message", "release", "environment", "platform"],
  properties: {
    project_id: { type: "integer" },
    event_id: { type: "string", pattern: "^[0-9a-f]{32}$" },
    timestamp: { type: "string", format: "date-time" },
    level: { type: "string" },
    message: { type: "string" },
    release: { type: "string" },
    environment: { type: "string" },
    platform: { type: "string" },
  },
} as const;

const messageExample = {
  project_id: 1,
  event_id: "8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f",
  timestamp: "2026-03-01T09:30:00.125Z",
  level: "warning",
  message: "the queue has 17 jobs",
  release: "shop@1.4.1",
  environment: "production",
  platform: "python",
} as const;

const groupingSchema = {
  type: "object",
  required: ["fingerprint", "version", "strategy", "hashes"],
  properties: {
    fingerprint: { type: "integer", description: "Number of the error that the event belongs to." },
    version: { type: "integer", description: "Version of the algorithm." },
    strategy: { type: "string", description: "What the event is grouped by." },
    hashes: {
      type: "array",
      description: "The first is the primary one.",
      items: {
        type: "object",
        required: ["hash", "variant", "explanation"],
        properties: {
          hash: { type: "string", pattern: "^[0-9a-f]{32}$" },
          variant: { type: "string" },
          explanation: { type: "object", additionalProperties: true },
        },
      },
    },
  },
} as const;

const groupingExample = {
  fingerprint: 42,
  version: 1,
  strategy: "message",
  hashes: [
    {
      hash: "0123456789abcdef0123456789abcdef",
      variant: "default",
      explanation: {
        version: 1,
        strategy: "message",
        variant: "default",
        component: { name: "message", contributes: true, token: "the queue has <int> jobs" },
      },
    },
  ],
} as const;

/** Where the source of some events can be seen. */
interface Source {
  readonly repository: RepositorySettings | undefined;
  readonly commits: ReadonlyMap<string, string>;
}

async function sourceOf(database: Database, projectId: number, events: readonly StoredEvent[]): Promise<Source> {
  const { repository } = await readSettings(database, projectId);
  if (repository === undefined) return { repository, commits: new Map() };
  const releases = events.map(({ payload }) => releaseIn(payload)).filter((release) => release !== undefined);
  return { repository, commits: await lastCommits(database, projectId, releases) };
}

function toErrorEvent(issue: Issue, event: StoredEvent, { repository, commits }: Source) {
  return {
    fingerprint: issue.id,
    project_id: issue.project_id,
    payload: addSourceLinks(event.payload, repository, commits),
    name: event.name,
    description: event.description,
    actor: event.actor,
    environment: event.environment,
    platform: event.platform,
    event_id: event.eventId,
    occurred_at: event.occurredAt,
  };
}
