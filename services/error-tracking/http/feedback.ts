import { decodeCursor, type PageQuery, pageParameters } from "@signalbox/http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isFeedbackPosition, listFeedback, type StoredFeedback } from "../items/list-feedback.js";
import { type ApiDependencies, linkPages, visibleIssue, visibleProject } from "./api-dependencies.js";
import { issueParameters, listAnswer, projectParameter } from "./api-schemas.js";

const textOrNull = { type: ["string", "null"] } as const;

const feedbackSchema = {
  type: "object",
  required: ["id", "event_id", "fingerprint", "name", "email", "message", "url", "received_at"],
  properties: {
    id: { type: "string", description: "32 hex digits." },
    event_id: { ...textOrNull, description: "The event that it is about, which may never have come." },
    fingerprint: { type: ["integer", "null"], description: "Number of the error, once the event is there." },
    name: textOrNull,
    email: textOrNull,
    message: { type: "string" },
    url: { ...textOrNull, description: "The page that it was written on." },
    replay_id: textOrNull,
    release: textOrNull,
    environment: textOrNull,
    received_at: { type: "string", format: "date-time" },
  },
} as const;

const feedbackExample = {
  id: "0f8b5b1c8f6b4e0f9d2f3d7a5b8c1e2f",
  event_id: "8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f",
  fingerprint: 42,
  name: "Ann",
  email: "ann@example.com",
  message: "The basket is empty again.",
  url: "https://shop.example/basket",
  replay_id: null,
  release: "shop@1.4.1",
  environment: "production",
  received_at: "2026-03-01T09:30:00.125Z",
} as const;

const querystring = { type: "object", properties: pageParameters } as const;

/** What people say about the errors that they met. */
export function registerFeedbackRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const answer = async (
    request: FastifyRequest<{ Querystring: PageQuery }>,
    reply: FastifyReply,
    projectId: number,
    issueId?: number,
  ) => {
    const { cursor, limit } = request.query;
    const from = cursor === undefined ? undefined : decodeCursor(cursor, isFeedbackPosition);
    const page = await listFeedback(dependencies, projectId, issueId, limit, from);
    linkPages(request, reply, limit, page);
    return page.items.map(showFeedback);
  };

  app.get<{ Params: { id: number }; Querystring: PageQuery }>("/projects/:id/errors/feedback", {
    config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "invalid_cursor", "unavailable"] },
    schema: {
      summary: "List what people said about errors of a project",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      querystring,
      response: { 200: listAnswer("The newest first.", feedbackSchema, feedbackExample) },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, dependencies.projects, request.params.id);
      return answer(request, reply, project.id);
    },
  });

  app.get<{ Params: { id: number; fingerprint: number }; Querystring: PageQuery }>(
    "/projects/:id/errors/:fingerprint/feedback",
    {
      config: {
        access: { scope: "errors:read" },
        errors: ["ET_PROJECT_NOT_FOUND", "ET_ISSUE_NOT_FOUND", "invalid_cursor", "unavailable"],
      },
      schema: {
        summary: "List what people said about an error",
        tags: ["errors"],
        params: { type: "object", properties: issueParameters },
        querystring,
        response: { 200: listAnswer("The newest first.", feedbackSchema, feedbackExample) },
      },
      async handler(request, reply) {
        const { project, issue } = await visibleIssue(request, reply, dependencies);
        if (issue === undefined) return reply;
        return answer(request, reply, project.id, issue.id);
      },
    },
  );
}

function showFeedback(said: StoredFeedback) {
  return {
    id: said.feedback_id,
    event_id: said.event_id,
    fingerprint: said.issue_id,
    name: said.name,
    email: said.email,
    message: said.message,
    url: said.url,
    replay_id: said.replay_id,
    release: said.release,
    environment: said.environment,
    received_at: new Date(said.received_at_ms).toISOString(),
  };
}
