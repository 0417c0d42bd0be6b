import type { DeadLetter } from "@signalbox/event-store";
import {
  decodeCursor,
  encodeCursor,
  hasScope,
  linkHeader,
  type PageQuery,
  pageParameters,
  principalOf,
} from "@signalbox/http";
import { isJsonObject } from "@signalbox/sentry-protocol";
import type { FastifyInstance } from "fastify";
import { createDeadEvents, type DeadEventFilter, type DeadEventPosition, letterName } from "../digest/dead-events.js";
import type { RawItem } from "../digest/letter-data.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, listAnswer, projectParameter } from "./api-schemas.js";

const states = ["dead", "replaying", "resolved", "discarded", "expired"] as const;
const time = { type: "string", format: "date-time" } as const;
const textOrNull = { type: ["string", "null"] } as const;

const letterProperties = {
  id: { type: "string", description: "Id of the event, or kind and digest of a message of items." },
  state: { enum: states },
  reason: { type: "string", description: "Why it was given up." },
  code: textOrNull,
  message: { type: "string" },
  attempts: { type: "integer", description: "The last 10 at most." },
  replay_count: { type: "integer" },
  received_at: { ...textOrNull, description: "When the edge had it." },
  first_failed_at: time,
  dead_at: time,
  note: { ...textOrNull, description: "Why it was deleted." },
} as const;

const letterExample = {
  id: "8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f",
  state: "dead",
  reason: "exhausted",
  code: "ET_EVENT_REFUSED",
  message: "The event cannot be stored: the database or the analytics engine refuses it.",
  attempts: 3,
  replay_count: 0,
  received_at: "2026-03-01T09:30:00.125Z",
  first_failed_at: "2026-03-01T09:30:01.000Z",
  dead_at: "2026-03-01T09:30:07.000Z",
  note: null,
} as const;

const letterSchema = {
  type: "object",
  required: Object.keys(letterProperties),
  properties: letterProperties,
} as const;

const wholeLetterSchema = {
  type: "object",
  required: [...letterSchema.required, "stack", "payloads"],
  properties: {
    ...letterProperties,
    stack: textOrNull,
    payloads: {
      type: ["array", "null"],
      description: "What the client sent; null without the scope `errors:admin`.",
      items: {
        type: "object",
        required: ["type", "bytes", "base64"],
        properties: { type: { type: "string" }, bytes: { type: "integer" }, base64: { type: "string" } },
      },
    },
  },
} as const;

const letterParameter = {
  type: "string",
  pattern: "^(?:[a-z_]{1,40}:)?[0-9a-f]{32}$",
  description: "Id of the letter.",
  examples: [letterExample.id],
} as const;

const filterProperties = {
  text: { type: "string", minLength: 1, maxLength: 500, description: "Part of the message.", examples: ["refuses"] },
  since: { ...time, description: "Given up at or after this time.", examples: ["2026-03-01T00:00:00Z"] },
  until: { ...time, description: "Given up before this time.", examples: ["2026-03-02T00:00:00Z"] },
} as const;

const selectionSchema = {
  type: "object",
  additionalProperties: false,
  minProperties: 1,
  description: "Letters by their ids, or else those in state `dead` that the filter finds, 10,000 at most.",
  properties: {
    ids: { type: "array", minItems: 1, maxItems: 1000, items: letterParameter },
    all: { type: "boolean", const: true, description: "All of them." },
    ...filterProperties,
  },
  examples: [{ since: "2026-03-01T00:00:00Z" }],
} as const;

const countSchema = { type: "object", required: ["count"], properties: { count: { type: "integer" } } } as const;

interface FilterFields {
  readonly text?: string;
  readonly since?: string;
  readonly until?: string;
}

type Selection = FilterFields & { readonly ids?: readonly string[] };

const admin = { scope: "errors:admin" } as const;
const errors = ["ET_PROJECT_NOT_FOUND", "ET_DEAD_LETTER_NOT_FOUND", "unavailable"];

/** Events and items that could not be stored, and what can be done with them. */
export function registerDeadLetterRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects, blobs } = dependencies;
  const dead = createDeadEvents(dependencies.letters, blobs);
  const params = { type: "object", properties: { id: projectParameter } } as const;
  const letterParams = { type: "object", properties: { id: projectParameter, letter: letterParameter } } as const;

  app.get<{ Params: { id: number }; Querystring: PageQuery & FilterFields & { state?: (typeof states)[number] } }>(
    "/projects/:id/errors/dead-letters",
    {
      config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "invalid_cursor", "unavailable"] },
      schema: {
        summary: "List what could not be stored",
        tags: ["errors"],
        params,
        querystring: {
          type: "object",
          properties: {
            state: { enum: states, description: "Only letters in this state.", examples: ["dead"] },
            ...filterProperties,
            ...pageParameters,
          },
        },
        response: { 200: listAnswer("The newest first.", letterSchema, letterExample) },
      },
      async handler(request, reply) {
        const { cursor, limit, state, ...filter } = request.query;
        const after = cursor === undefined ? undefined : decodeCursor(cursor, isPosition);
        const project = await visibleProject(request, projects, request.params.id);
        const page = await dead.list(
          project.id,
          { ...toFilter(filter), ...(state === undefined ? {} : { state }) },
          { limit, ...(after === undefined ? {} : { after }) },
        );
        if (page.next !== null) {
          const link = linkHeader(request.originalUrl, limit, { nextCursor: encodeCursor(page.next) });
          if (link !== undefined) reply.header("link", link);
        }
        return page.letters.map(showLetter);
      },
    },
  );

  app.get<{ Params: { id: number; letter: string } }>("/projects/:id/errors/dead-letters/:letter", {
    config: { access: { scope: "errors:read" }, errors },
    schema: {
      summary: "Show what could not be stored, and why",
      tags: ["errors"],
      params: letterParams,
      response: {
        200: jsonAnswer("The letter.", wholeLetterSchema, { ...letterExample, stack: null, payloads: null }),
      },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      const letter = await dead.get(project.id, request.params.letter);
      const mayRead = hasScope(principalOf(request), "errors:admin");
      return {
        ...showLetter(letter),
        stack: letter.error.stack,
        payloads: mayRead ? (await dead.readPayloads(letter)).map(showPayload) : null,
      };
    },
  });

  app.post<{ Params: { id: number; letter: string } }>("/projects/:id/errors/dead-letters/:letter/replay", {
    config: { access: admin, errors: [...errors, "ET_DEAD_LETTER_STATE"] },
    schema: {
      summary: "Try to store it again",
      tags: ["errors"],
      params: letterParams,
      response: { 202: jsonAnswer("It waits to be stored.", countSchema, { count: 1 }) },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      const count = await dead.replay(project.id, [request.params.letter]);
      return reply.code(202).send({ count });
    },
  });

  app.post<{ Params: { id: number }; Body: Selection }>("/projects/:id/errors/dead-letters/replay", {
    config: { access: admin, errors: [...errors, "ET_DEAD_LETTER_STATE"] },
    schema: {
      summary: "Try to store many of them again",
      tags: ["errors"],
      params,
      body: selectionSchema,
      response: { 202: jsonAnswer("They wait to be stored.", countSchema, { count: 17 }) },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      const count = await dead.replay(project.id, toSelection(request.body));
      return reply.code(202).send({ count });
    },
  });

  app.post<{ Params: { id: number }; Body: Selection }>("/projects/:id/errors/dead-letters/delete", {
    config: { access: admin, errors: [...errors, "ET_DEAD_LETTER_STATE"] },
    schema: {
      summary: "Give many of them up for good",
      tags: ["errors"],
      params,
      body: selectionSchema,
      response: { 200: jsonAnswer("They are given up.", countSchema, { count: 17 }) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      return { count: await dead.remove(project.id, toSelection(request.body)) };
    },
  });

  app.delete<{ Params: { id: number; letter: string } }>("/projects/:id/errors/dead-letters/:letter", {
    config: { access: admin, errors: [...errors, "ET_DEAD_LETTER_STATE"] },
    schema: {
      summary: "Give it up for good",
      tags: ["errors"],
      params: letterParams,
      response: { 204: { type: "null", description: "It is given up." } },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      await dead.remove(project.id, [request.params.letter]);
      return reply.code(204).send();
    },
  });
}

function isPosition(value: unknown): value is DeadEventPosition {
  return isJsonObject(value) && Number.isSafeInteger(value["deadAtMs"]) && typeof value["id"] === "string";
}

function toFilter({ text, since, until }: FilterFields): DeadEventFilter {
  return {
    ...(text === undefined ? {} : { text }),
    ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
    ...(until === undefined ? {} : { untilMs: Date.parse(until) }),
  };
}

function toSelection({ ids, ...filter }: Selection) {
  return ids ?? toFilter(filter);
}

function showLetter(letter: DeadLetter) {
  const { error, attempts } = letter;
  return {
    id: letterName(letter),
    state: letter.state,
    reason: letter.reason,
    code: error.code,
    message: error.message,
    attempts: attempts.length,
    replay_count: letter.replayCount,
    received_at: receiptOf(letter),
    first_failed_at: new Date(letter.firstFailedAtMs).toISOString(),
    dead_at: new Date(letter.deadAtMs).toISOString(),
    note: letter.note,
  };
}

/** The edge gives its messages the time of receipt. */
function receiptOf(letter: DeadLetter): string | null {
  const wire: unknown = JSON.parse(letter.event);
  const sentAt = isJsonObject(wire) ? wire["time"] : undefined;
  return typeof sentAt === "string" ? sentAt : null;
}

function showPayload({ type, bytes }: RawItem) {
  return { type, bytes: bytes.length, base64: Buffer.from(bytes).toString("base64") };
}
