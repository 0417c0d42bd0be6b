import type { FastifyInstance } from "fastify";
import type { ProjectKey } from "../projects/projects.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, maxNumber, projectParameter } from "./api-schemas.js";
import { type QuotaBody, quotasSchema, showQuota, toQuota } from "./quota-schemas.js";

const keyParameter = {
  type: "integer",
  minimum: 1,
  maximum: maxNumber,
  description: "Number of the key.",
  examples: [1],
} as const;
const admin = { scope: "errors:admin" } as const;
const maybeTime = { type: ["string", "null"], format: "date-time" } as const;
const dayS = 86_400;

const originsSchema = {
  type: "array",
  maxItems: 100,
  items: { type: "string", minLength: 1, maxLength: 256 },
  description: "Globs over the web origins that browsers may send from, such as https://*.shop.example; none: all.",
} as const;

const keySchema = {
  type: "object",
  required: [
    "id",
    "label",
    "active",
    "public_key",
    "dsn",
    "quotas",
    "allowed_origins",
    "created_at",
    "last_used_at",
    "expires_at",
  ],
  properties: {
    id: { type: "integer" },
    label: { type: "string" },
    active: { type: "boolean" },
    public_key: { type: "string" },
    dsn: { type: "string" },
    quotas: { ...quotasSchema, description: "How much may be sent with it." },
    allowed_origins: originsSchema,
    created_at: { type: "string", format: "date-time" },
    last_used_at: maybeTime,
    expires_at: { ...maybeTime, description: "From then on it is refused, because another one replaced it." },
  },
} as const;

const example = {
  id: 1,
  label: "Default",
  active: true,
  public_key: "0123456789abcdef0123456789abcdef",
  dsn: "http://0123456789abcdef0123456789abcdef@localhost:8787/1",
  quotas: [],
  allowed_origins: ["https://*.shop.example"],
  created_at: "2026-03-01T09:30:00.125Z",
  last_used_at: null,
  expires_at: null,
} as const;

interface KeyParams {
  readonly id: number;
  readonly key: number;
}

const params = { type: "object", properties: { id: projectParameter, key: keyParameter } } as const;
const missing = ["ET_PROJECT_NOT_FOUND", "ET_KEY_NOT_FOUND", "unavailable"];

/** Keys by which SDKs send to a project. */
export function registerKeyRoutes(app: FastifyInstance, { projects }: ApiDependencies): void {
  app.get<{ Params: { id: number } }>("/projects/:id/keys", {
    config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "List the keys of a project",
      tags: ["projects"],
      params: { type: "object", properties: { id: projectParameter } },
      response: { 200: jsonAnswer("The keys, oldest first.", { type: "array", items: keySchema }, [example]) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      return (await projects.keys(project.id)).map(showKey);
    },
  });

  app.post<{ Params: { id: number }; Body: { label?: string } }>("/projects/:id/keys", {
    config: { access: admin, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "Make a key",
      tags: ["projects"],
      params: { type: "object", properties: { id: projectParameter } },
      body: {
        type: "object",
        additionalProperties: false,
        properties: { label: { type: "string", maxLength: 100 } },
        examples: [{ label: "Mobile" }],
      },
      response: { 201: jsonAnswer("The key with its DSN.", keySchema, example) },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      return reply.code(201).send(showKey(await projects.createKey(project.id, { label: request.body.label })));
    },
  });

  app.patch<{
    Params: KeyParams;
    Body: { label?: string; active?: boolean; quotas?: readonly QuotaBody[]; allowed_origins?: readonly string[] };
  }>("/projects/:id/keys/:key", {
    config: { access: admin, errors: missing },
    schema: {
      summary: "Rename, enable or disable a key, or change its quotas and origins",
      tags: ["projects"],
      params,
      body: {
        type: "object",
        minProperties: 1,
        additionalProperties: false,
        properties: {
          label: { type: "string", maxLength: 100 },
          active: { type: "boolean" },
          quotas: quotasSchema,
          allowed_origins: originsSchema,
        },
        examples: [{ active: false }],
      },
      response: { 200: jsonAnswer("The key as it is now.", keySchema, example) },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      const { label, active, quotas, allowed_origins: allowedOrigins } = request.body;
      const changes = { label, active, quotas: quotas?.map(toQuota), allowedOrigins };
      return showKey(await projects.updateKey(project.id, request.params.key, changes));
    },
  });

  app.delete<{ Params: KeyParams }>("/projects/:id/keys/:key", {
    config: { access: admin, errors: [...missing, "ET_KEY_LAST"] },
    schema: {
      summary: "Delete a key",
      tags: ["projects"],
      params,
      response: { 204: { type: "null", description: "It is refused from now on." } },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      await projects.deleteKey(project.id, request.params.key);
      return reply.code(204).send();
    },
  });

  app.post<{ Params: KeyParams; Body: { grace_s: number } }>("/projects/:id/keys/:key/rotate", {
    config: { access: admin, errors: missing },
    schema: {
      summary: "Replace a key by a new one",
      tags: ["projects"],
      params,
      body: {
        type: "object",
        additionalProperties: false,
        properties: {
          grace_s: {
            type: "integer",
            minimum: 0,
            maximum: 30 * dayS,
            default: dayS,
            description: "How long the old one works.",
          },
        },
        examples: [{ grace_s: dayS }],
      },
      response: { 201: jsonAnswer("The new key.", keySchema, example) },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      const key = await projects.rotateKey(project.id, request.params.key, request.body.grace_s * 1000);
      return reply.code(201).send(showKey(key));
    },
  });
}

function showKey(key: ProjectKey) {
  const time = (atMs: number | undefined) => (atMs === undefined ? null : new Date(atMs).toISOString());
  return {
    id: key.id,
    label: key.label,
    active: key.active,
    public_key: key.publicKey,
    dsn: key.dsn,
    quotas: key.quotas.map(showQuota),
    allowed_origins: key.allowedOrigins,
    created_at: time(key.createdAtMs),
    last_used_at: time(key.lastUsedAtMs),
    expires_at: time(key.expiresAtMs),
  };
}
