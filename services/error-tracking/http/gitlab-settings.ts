import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ProjectKey } from "../projects/projects.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, maxNumber, projectParameter } from "./api-schemas.js";

const settingsSchema = {
  type: "object",
  required: ["active", "project_name", "sentry_external_url", "api_url", "integrated"],
  properties: {
    active: { type: "boolean" },
    project_name: { type: ["string", "null"] },
    sentry_external_url: { type: ["string", "null"] },
    api_url: { type: ["string", "null"] },
    integrated: { type: "boolean", description: "Always true: errors are kept here." },
  },
} as const;

const settingsExample = {
  active: true,
  project_name: "Shop",
  sentry_external_url: null,
  api_url: null,
  integrated: true,
} as const;

const clientKeySchema = {
  type: "object",
  required: ["id", "active", "public_key", "sentry_dsn"],
  properties: {
    id: { type: "integer" },
    active: { type: "boolean" },
    public_key: { type: "string" },
    sentry_dsn: { type: "string" },
  },
} as const;

const clientKeyExample = {
  id: 1,
  active: true,
  public_key: "glet_0123456789abcdef0123456789abcdef",
  sentry_dsn: "http://glet_0123456789abcdef0123456789abcdef@localhost:8787/1",
} as const;

const params = { type: "object", properties: { id: projectParameter } } as const;
const errors = ["ET_PROJECT_NOT_FOUND", "unavailable"];

/** GitLab's clients send their token in a header of their own. */
function privateToken(request: FastifyRequest): string | undefined {
  const sent = request.headers["private-token"];
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  return bearer ?? (typeof sent === "string" && sent !== "" ? sent : undefined);
}

/** GitLab's routes for the settings of error tracking and its client keys. */
export function registerGitLabSettingRoutes(app: FastifyInstance, { projects }: ApiDependencies): void {
  const read = { access: { scope: "errors:read" } as const, readToken: privateToken };
  const admin = { access: { scope: "errors:admin" } as const, readToken: privateToken };

  const settingsOf = (project: { active: boolean; name: string }) => ({
    active: project.active,
    project_name: project.name,
    sentry_external_url: null,
    api_url: null,
    integrated: true,
  });

  app.get<{ Params: { id: number } }>("/settings", {
    config: { ...read, errors },
    schema: {
      summary: "Show the settings of error tracking as GitLab does",
      tags: ["projects"],
      params,
      response: { 200: jsonAnswer("The settings.", settingsSchema, settingsExample) },
    },
    handler: async (request) => settingsOf(await visibleProject(request, projects, request.params.id)),
  });

  app.patch<{ Params: { id: number }; Querystring: { active?: boolean }; Body: { active?: boolean } | null }>(
    "/settings",
    {
      config: { ...admin, errors },
      schema: {
        summary: "Turn error tracking of a project on or off as GitLab does",
        tags: ["projects"],
        params,
        querystring: {
          type: "object",
          properties: { active: { type: "boolean", description: "Also taken from the body.", examples: [true] } },
        },
        body: {
          type: ["object", "null"],
          properties: { active: { type: "boolean" }, integrated: { type: "boolean" } },
          examples: [{ active: true, integrated: true }],
        },
        response: { 200: jsonAnswer("The settings as they are now.", settingsSchema, settingsExample) },
      },
      async handler(request) {
        const project = await visibleProject(request, projects, request.params.id);
        return settingsOf(await projects.update(project.id, { active: request.body?.active ?? request.query.active }));
      },
    },
  );

  app.get<{ Params: { id: number } }>("/client_keys", {
    config: { ...read, errors },
    schema: {
      summary: "List client keys as GitLab does",
      tags: ["projects"],
      params,
      response: { 200: jsonAnswer("The keys.", { type: "array", items: clientKeySchema }, [clientKeyExample]) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      return (await projects.keys(project.id)).map(showClientKey);
    },
  });

  app.post<{ Params: { id: number } }>("/client_keys", {
    config: { ...admin, errors },
    schema: {
      summary: "Make a client key as GitLab does",
      tags: ["projects"],
      params,
      response: { 201: jsonAnswer("The key.", clientKeySchema, clientKeyExample) },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      return reply.code(201).send(showClientKey(await projects.createKey(project.id, { prefix: "glet_" })));
    },
  });

  app.delete<{ Params: { id: number; key: number } }>("/client_keys/:key", {
    config: { ...admin, errors: [...errors, "ET_KEY_NOT_FOUND", "ET_KEY_LAST"] },
    schema: {
      summary: "Delete a client key as GitLab does",
      tags: ["projects"],
      params: {
        type: "object",
        properties: {
          id: projectParameter,
          key: { type: "integer", minimum: 1, maximum: maxNumber, description: "Its number.", examples: [1] },
        },
      },
      response: { 204: { type: "null", description: "It is refused from now on." } },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      await projects.deleteKey(project.id, request.params.key);
      return reply.code(204).send();
    },
  });
}

function showClientKey(key: ProjectKey) {
  return { id: key.id, active: key.active, public_key: key.publicKey, sentry_dsn: key.dsn };
}
