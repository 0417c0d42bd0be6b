import { decodeCursor, linkHeader, pageOf, pageParameters, principalOf } from "@signalbox/http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { addComment, listActivity, listComments, listHashes } from "../issues/issue-notes.js";
import { tagDistributions } from "../issues/issue-tags.js";
import { ReadError } from "../issues/read-errors.js";
import { type ApiDependencies, type IssueParams, visibleIssue } from "./api-dependencies.js";
import { jsonAnswer, issueParameters as params } from "./api-schemas.js";
import {
  activityExample,
  activitySchema,
  commentExample,
  commentSchema,
  hashExample,
  hashSchema,
  tagExample,
  tagSchema,
} from "./workflow-schemas.js";

const notFound = ["ET_PROJECT_NOT_FOUND", "ET_ISSUE_NOT_FOUND", "unavailable"];
const read = { scope: "errors:read" } as const;
const write = { scope: "errors:write" } as const;

/** What is known of an error beside its events: why they are one, its tags, who did and said what. */
export function registerIssueNoteRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { database } = dependencies;

  app.get<{ Params: IssueParams }>("/projects/:id/errors/:fingerprint/hashes", {
    config: { access: read, errors: notFound },
    schema: {
      summary: "List what an error is grouped by",
      tags: ["errors"],
      params: { type: "object", properties: params },
      response: { 200: jsonAnswer("The hashes, oldest first.", { type: "array", items: hashSchema }, [hashExample]) },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const hashes = await listHashes(database, issue.id);
      return hashes.map((row) => ({
        hash: row.hash,
        version: row.version,
        strategy: row.strategy,
        variant: row.variant,
        event_count: row.event_count,
        former_fingerprint: row.former_issue_id,
        created_at: new Date(row.created_at_ms).toISOString(),
        explanation: JSON.parse(row.explanation),
      }));
    },
  });

  app.get<{ Params: IssueParams & { key?: string } }>("/projects/:id/errors/:fingerprint/tags", {
    config: { access: read, errors: notFound },
    schema: {
      summary: "Show how the tags of an error are distributed",
      tags: ["errors"],
      params: { type: "object", properties: params },
      response: {
        200: jsonAnswer("The ten most frequent values of each tag.", { type: "array", items: tagSchema }, [tagExample]),
      },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      return (await tagDistributions(dependencies, issue, { maxValues: 10 })).map(showTag);
    },
  });

  app.get<{ Params: IssueParams & { key: string } }>("/projects/:id/errors/:fingerprint/tags/:key", {
    config: { access: read, errors: [...notFound, "ET_TAG_NOT_FOUND"] },
    schema: {
      summary: "Show how one tag of an error is distributed",
      tags: ["errors"],
      params: {
        type: "object",
        properties: {
          ...params,
          key: { type: "string", maxLength: 200, description: "The tag.", examples: ["release"] },
        },
      },
      response: { 200: jsonAnswer("Its hundred most frequent values.", tagSchema, tagExample) },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const [tag] = await tagDistributions(dependencies, issue, { key: request.params.key, maxValues: 100 });
      if (tag === undefined) throw new ReadError("ET_TAG_NOT_FOUND");
      return showTag(tag);
    },
  });

  app.get<{ Params: IssueParams; Querystring: { limit: number; cursor?: string } }>(
    "/projects/:id/errors/:fingerprint/activity",
    {
      config: { access: read, errors: [...notFound, "invalid_cursor"] },
      schema: {
        summary: "List who did what to an error",
        tags: ["errors"],
        params: { type: "object", properties: params },
        querystring: { type: "object", properties: pageParameters },
        response: {
          200: jsonAnswer("The activity, newest first.", { type: "array", items: activitySchema }, [activityExample]),
        },
      },
      async handler(request, reply) {
        const { issue } = await visibleIssue(request, reply, dependencies);
        if (issue === undefined) return reply;
        const { limit } = request.query;
        const rows = await listActivity(database, issue.id, limit + 1, beforeOf(request.query.cursor));
        return linkNext(request, reply, limit, rows).map((row) => ({
          at: new Date(row.at_ms).toISOString(),
          actor: row.actor,
          kind: row.kind,
          ...JSON.parse(row.detail),
        }));
      },
    },
  );

  app.get<{ Params: IssueParams; Querystring: { limit: number; cursor?: string } }>(
    "/projects/:id/errors/:fingerprint/comments",
    {
      config: { access: read, errors: [...notFound, "invalid_cursor"] },
      schema: {
        summary: "List what people said about an error",
        tags: ["errors"],
        params: { type: "object", properties: params },
        querystring: { type: "object", properties: pageParameters },
        response: {
          200: jsonAnswer("The comments, newest first.", { type: "array", items: commentSchema }, [commentExample]),
        },
      },
      async handler(request, reply) {
        const { issue } = await visibleIssue(request, reply, dependencies);
        if (issue === undefined) return reply;
        const { limit } = request.query;
        const rows = await listComments(database, issue.id, limit + 1, beforeOf(request.query.cursor));
        return linkNext(request, reply, limit, rows).map(showComment);
      },
    },
  );

  app.post<{ Params: IssueParams; Body: { text: string } }>("/projects/:id/errors/:fingerprint/comments", {
    config: { access: write, errors: notFound },
    schema: {
      summary: "Say something about an error",
      tags: ["errors"],
      params: { type: "object", properties: params },
      body: {
        type: "object",
        required: ["text"],
        additionalProperties: false,
        properties: { text: { type: "string", minLength: 1, maxLength: 10_000 } },
        examples: [{ text: commentExample.text }],
      },
      response: { 201: jsonAnswer("The comment.", commentSchema, commentExample) },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const comment = await addComment(dependencies, issue, principalOf(request).subject, request.body.text);
      return reply.code(201).send(showComment(comment));
    },
  });
}

function showTag(tag: Awaited<ReturnType<typeof tagDistributions>>[number]) {
  return {
    key: tag.key,
    total: tag.total,
    other: tag.other,
    values: tag.values.map(({ value, events, lastSeen }) => ({ value, events, last_seen_at: lastSeen })),
  };
}

function showComment(row: { id: number; author: string; text: string; at_ms: number }) {
  return { id: row.id, author: row.author, text: row.text, created_at: new Date(row.at_ms).toISOString() };
}

function beforeOf(cursor: string | undefined): number | undefined {
  return cursor === undefined ? undefined : decodeCursor(cursor, isId);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function linkNext<Row extends { readonly id: number }>(
  request: FastifyRequest,
  reply: FastifyReply,
  limit: number,
  rows: readonly Row[],
): readonly Row[] {
  const page = pageOf(rows, limit, ({ id }) => id);
  const { nextCursor } = page;
  const link = nextCursor === undefined ? undefined : linkHeader(request.originalUrl, limit, { nextCursor });
  if (link !== undefined) reply.header("link", link);
  return page.items;
}
