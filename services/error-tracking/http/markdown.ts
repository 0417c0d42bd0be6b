import type { FastifyInstance } from "fastify";
import { findEvent, findIssueOfEvent } from "../issues/find-events.js";
import { eventMarkdown, issueMarkdown } from "../issues/markdown.js";
import { ReadError } from "../issues/read-errors.js";
import { type ApiDependencies, visibleIssue, visibleProject } from "./api-dependencies.js";
import { issueParameters, projectParameter } from "./api-schemas.js";
import { shortId } from "./show-issue.js";

const mediaType = "text/markdown; charset=utf-8";
const answer = {
  200: {
    description: "Markdown.",
    content: { "text/markdown": { schema: { type: "string" }, examples: { example: { value: "# SHOP-42: …" } } } },
  },
} as const;

/** Errors and events as Markdown. */
export function registerMarkdownRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects } = dependencies;

  app.get<{ Params: { id: number; fingerprint: number } }>("/projects/:id/errors/:fingerprint(^\\d+).md", {
    config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "ET_ISSUE_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "Show an error as Markdown",
      tags: ["errors"],
      params: { type: "object", properties: issueParameters },
      response: answer,
    },
    async handler(request, reply) {
      const { project, issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const newest = await findEvent(dependencies, issue, "latest");
      return reply.type(mediaType).send(issueMarkdown(issue, shortId(project, issue), newest));
    },
  });

  app.get<{ Params: { id: number; event: string } }>("/projects/:id/errors/events/:event(^[0-9a-f]{32}).md", {
    config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "ET_EVENT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "Show an event as Markdown",
      tags: ["errors"],
      params: {
        type: "object",
        properties: {
          id: projectParameter,
          event: { type: "string", description: "Id of the event.", examples: ["8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f"] },
        },
      },
      response: answer,
    },
    async handler(request, reply) {
      const { id, event } = request.params;
      const project = await visibleProject(request, projects, id);
      const issue = await findIssueOfEvent(dependencies, project.id, event);
      const found = issue && (await findEvent(dependencies, issue, { eventId: event }));
      if (found === undefined) throw new ReadError("ET_EVENT_NOT_FOUND");
      return reply.type(mediaType).send(eventMarkdown(found));
    },
  });
}
