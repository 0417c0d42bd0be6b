import { allowsProject, HttpProblem, principalOf } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import type { Project } from "../projects/projects.js";
import type { ApiDependencies } from "./api-dependencies.js";
import { jsonAnswer } from "./api-schemas.js";

export const projectSchema = {
  type: "object",
  required: ["id", "name", "slug", "active", "created_at"],
  properties: {
    id: { type: "integer" },
    name: { type: "string" },
    slug: { type: "string" },
    active: { type: "boolean", description: "False: all its events are refused." },
    created_at: { type: "string", format: "date-time" },
    dsn: { type: "string", description: "Where SDKs send to; absent when the project has no usable key." },
  },
} as const;

export const projectExample = {
  id: 1,
  name: "Shop",
  slug: "shop",
  active: true,
  created_at: "2026-03-01T09:30:00.125Z",
  dsn: "http://0123456789abcdef0123456789abcdef@localhost:8787/1",
} as const;

/** Projects; a token that is narrowed to some sees only these and makes none. */
export function registerProjectRoutes(app: FastifyInstance, { projects }: ApiDependencies): void {
  app.get("/projects", {
    config: { access: { scope: "errors:read" }, errors: ["unavailable"] },
    schema: {
      summary: "List the projects",
      tags: ["projects"],
      response: {
        200: jsonAnswer("All projects that the token may see.", { type: "array", items: projectSchema }, [
          projectExample,
        ]),
      },
    },
    async handler(request) {
      const principal = principalOf(request);
      const visible = (await projects.list()).filter(({ id }) => allowsProject(principal, id));
      return visible.map((project) => showProject(project, project.dsn));
    },
  });

  app.post<{ Body: { name: string } }>("/projects", {
    config: { access: { scope: "errors:admin" }, errors: ["ET_PROJECT_NAME_INVALID", "unavailable"] },
    schema: {
      summary: "Make a project",
      tags: ["projects"],
      body: {
        type: "object",
        required: ["name"],
        additionalProperties: false,
        properties: { name: { type: "string", minLength: 1, maxLength: 100 } },
        examples: [{ name: "Shop" }],
      },
      response: { 201: jsonAnswer("The project with its DSN.", projectSchema, projectExample) },
    },
    async handler(request, reply) {
      if (principalOf(request).projects !== undefined)
        throw new HttpProblem("insufficient_scope", { detail: "The token is narrowed to some projects." });
      const project = await projects.create(request.body.name);
      return reply.code(201).send(showProject(project, project.dsn));
    },
  });
}

/** A project as the API shows it. */
export function showProject(project: Project, dsn: string | undefined) {
  return {
    id: project.id,
    name: project.name,
    slug: project.slug,
    active: project.active,
    created_at: new Date(project.createdAtMs).toISOString(),
    ...(dsn === undefined ? {} : { dsn }),
  };
}
