import { HttpProblem, principalOf } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import { readInstanceSettings, writeInstanceSettings } from "../projects/instance-settings.js";
import { listQuotas, type QuotaInUse } from "../projects/list-quotas.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, projectParameter } from "./api-schemas.js";
import { type QuotaBody, quotaExample, quotaSchema, quotasSchema, showQuota, toQuota } from "./quota-schemas.js";

const instanceSchema = {
  type: "object",
  required: ["quotas", "project_default"],
  properties: {
    quotas: { ...quotasSchema, description: "For everything that is sent to this instance." },
    project_default: { ...quotasSchema, description: "For each project without quotas of its own; configured." },
  },
} as const;

const instanceExample = {
  quotas: [{ categories: ["error"], limit: 1_000_000, window_s: 60 }],
  project_default: [quotaExample],
} as const;

const usedSchema = {
  type: "array",
  items: {
    type: "object",
    required: ["scope", "categories", "limit", "window_s", "used", "resets_at"],
    properties: {
      ...quotaSchema.properties,
      scope: { enum: ["key", "project", "organization"], description: "Whose it is; organization: the instance's." },
      key_id: { type: "integer", description: "The key, where it is a key's." },
      used: { type: "integer", description: "Items in the current window." },
      resets_at: { type: "string", format: "date-time" },
    },
  },
} as const;

/** Quotas of the instance, and how much of all quotas a project has used. */
export function registerQuotaRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { database, projects, projectQuotas = [] } = dependencies;

  const show = async () => ({
    quotas: (await readInstanceSettings(database)).quotas.map(showQuota),
    project_default: projectQuotas.map(showQuota),
  });

  app.get("/errors/quotas", {
    config: { access: { scope: "errors:read" }, errors: ["unavailable"] },
    schema: {
      summary: "Show the quotas of the instance",
      tags: ["errors"],
      response: { 200: jsonAnswer("The quotas.", instanceSchema, instanceExample) },
    },
    handler: show,
  });

  app.put<{ Body: { quotas: readonly QuotaBody[] } }>("/errors/quotas", {
    config: { access: { scope: "errors:admin" }, errors: ["unavailable"] },
    schema: {
      summary: "Replace the quotas of the instance",
      tags: ["errors"],
      body: {
        type: "object",
        required: ["quotas"],
        additionalProperties: false,
        properties: { quotas: quotasSchema },
        examples: [{ quotas: instanceExample.quotas }],
      },
      response: { 200: jsonAnswer("The quotas as they are now.", instanceSchema, instanceExample) },
    },
    async handler(request) {
      if (principalOf(request).projects !== undefined)
        throw new HttpProblem("insufficient_scope", { detail: "The token is narrowed to some projects." });
      await writeInstanceSettings(database, { quotas: request.body.quotas.map(toQuota) });
      return show();
    },
  });

  app.get<{ Params: { id: number } }>("/projects/:id/errors/quotas", {
    config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "List all quotas that concern a project, and how much of them is used",
      tags: ["projects"],
      params: { type: "object", properties: { id: projectParameter } },
      response: {
        200: jsonAnswer("Those of its keys, its own, and the instance's.", usedSchema, [
          { ...quotaExample, scope: "project", used: 1712, resets_at: "2026-03-01T09:31:00.000Z" },
        ]),
      },
    },
    async handler(request) {
      const project = await visibleProject(request, projects, request.params.id);
      return (await listQuotas({ ...dependencies, projectQuotas }, project.id)).map(showUse);
    },
  });
}

function showUse(quota: QuotaInUse) {
  const { scope, keyId, used, resetsAtMs } = quota;
  return {
    ...showQuota(quota),
    scope,
    ...(keyId === undefined ? {} : { key_id: keyId }),
    used,
    resets_at: new Date(resetsAtMs).toISOString(),
  };
}
