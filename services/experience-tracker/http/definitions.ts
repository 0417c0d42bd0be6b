import type { IncomingMessage } from "node:http";
import {
  type Definition,
  definitionSchema,
  maxDefinitionBytes,
  parseDefinition,
  parseYaml,
} from "@signalbox/experience";
import { readBody } from "@signalbox/http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { DefinitionFile } from "../definitions.js";
import { trackerProblem } from "../errors.js";
import type { RouteDependencies } from "./dependencies.js";
import { isKnown } from "./entity-tag.js";

const definitionExample = {
  id: "create_merge_request",
  version: "0f3a9c1b2d4e",
  description: "A user opens a merge request",
  feature_category: "code_review_workflow",
  urgency: "sync_fast",
  threshold_s: 2,
  timeout_s: 30,
  slo: { apdex_pct: 99.95, error_pct: 0.05 },
  state: "valid",
} as const;

const definitionAnswer = {
  type: "object",
  required: ["id", "version", "feature_category", "urgency", "threshold_s", "timeout_s", "state"],
  additionalProperties: true,
  properties: { id: { type: "string" }, version: { type: "string" }, state: { type: "string" } },
} as const;

const yamlLimits = { maxBytes: maxDefinitionBytes, maxInflatedBytes: maxDefinitionBytes } as const;
const readOrWrite = ["experience:read", "experience:write"] as const;

/** The registry as it is in force. Files are its only source: nothing here changes a definition. */
export function registerDefinitionRoutes(app: FastifyInstance, { definitions, producers }: RouteDependencies): void {
  app.addContentTypeParser(
    ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"],
    async (request: FastifyRequest, payload: IncomingMessage): Promise<string> =>
      (await readBody(payload, request.headers, yamlLimits)).toString("utf8"),
  );

  app.get("/definitions", {
    config: { access: { scope: readOrWrite } },
    schema: {
      summary: "List the definitions",
      tags: ["experiences"],
      response: {
        200: {
          description: "All definitions in force, and files that are not.",
          type: "object",
          properties: {
            definitions: { type: "array", items: definitionAnswer },
            invalid: { type: "array", items: { type: "object", additionalProperties: true } },
          },
          examples: [{ definitions: [definitionExample], invalid: [] }],
        },
      },
    },
    async handler(request, reply) {
      if (isKnown(request, reply, definitions.etag)) return reply;
      const states = statesOf(definitions.files);
      return {
        definitions: definitions.registry.definitions.map((definition) => bodyOf(definition, states)),
        invalid: definitions.files.filter(({ state }) => state !== "valid"),
      };
    },
  });

  app.get("/definitions/schema.json", {
    config: { access: { scope: readOrWrite } },
    schema: {
      summary: "JSON Schema of a definition file",
      tags: ["experiences"],
      response: {
        200: {
          description: "Draft-07.",
          type: "object",
          additionalProperties: true,
          examples: [{ $schema: definitionSchema.$schema }],
        },
      },
    },
    handler: async () => definitionSchema,
  });

  app.get<{ Params: { id: string } }>("/definitions/:id", {
    config: { access: { scope: readOrWrite }, errors: ["definition_not_found"] },
    schema: {
      summary: "Show one definition",
      tags: ["experiences"],
      params: {
        type: "object",
        properties: { id: { type: "string", description: "Id of the experience.", examples: [definitionExample.id] } },
      },
      response: { 200: { description: "The definition.", ...definitionAnswer, examples: [definitionExample] } },
    },
    async handler(request, reply) {
      const definition = definitions.registry.get(request.params.id);
      if (!definition) throw trackerProblem("definition_not_found");
      if (isKnown(request, reply, `"${definition.version}"`)) return reply;
      return bodyOf(definition, statesOf(definitions.files));
    },
  });

  app.post<{ Body: unknown; Querystring: { id: string } }>("/definitions/validate", {
    config: { access: { scope: "experience:read" }, body: yamlLimits },
    schema: {
      summary: "Say what is wrong with a definition",
      tags: ["experiences"],
      querystring: {
        type: "object",
        properties: {
          id: { type: "string", default: "candidate", description: "Id that it would have.", examples: ["checkout"] },
        },
      },
      body: {
        description: "The content of a definition file, as YAML or JSON.",
        examples: [{ description: "Checkout", feature_category: "billing", urgency: "sync_fast" }],
      },
      response: {
        200: {
          description: "Whether it is valid, and why not.",
          type: "object",
          required: ["valid", "errors", "warnings"],
          properties: {
            valid: { type: "boolean" },
            errors: { type: "array", items: { type: "object", additionalProperties: { type: "string" } } },
            warnings: { type: "array", items: { type: "object", additionalProperties: { type: "string" } } },
          },
          examples: [{ valid: true, errors: [], warnings: [] }],
        },
      },
    },
    async handler(request) {
      const content = contentOf(request.body);
      if (content.kind === "failed")
        return { valid: false, errors: [{ field: "", message: content.message }], warnings: [] };
      const reading = parseDefinition(request.query.id, content.value);
      return {
        valid: reading.kind === "valid",
        errors: reading.kind === "valid" ? [] : reading.errors,
        warnings: reading.warnings,
      };
    },
  });

  app.post("/definitions/reload", {
    config: { access: { scope: "experience:admin" } },
    schema: {
      summary: "Read the definition files again",
      tags: ["experiences"],
      response: {
        200: {
          description: "How many files are in force, kept at their last valid content, or left out.",
          type: "object",
          properties: { loaded: { type: "integer" }, stale: { type: "integer" }, invalid: { type: "integer" } },
          examples: [{ loaded: 12, stale: 0, invalid: 1 }],
        },
      },
    },
    async handler() {
      await producers.reload();
      return definitions.reload();
    },
  });
}

/** YAML arrives as text, JSON as its value. */
function contentOf(body: unknown): ReturnType<typeof parseYaml> {
  return typeof body === "string" ? parseYaml(body) : { kind: "parsed", value: body };
}

function statesOf(files: readonly DefinitionFile[]): ReadonlyMap<string, DefinitionFile["state"]> {
  return new Map(files.map(({ id, state }) => [id, state]));
}

export function bodyOf(definition: Definition, states: ReadonlyMap<string, DefinitionFile["state"]>) {
  const { id, version, description, featureCategory, urgency, thresholdMs, timeoutMs, inactivityTimeoutMs } =
    definition;
  const { slo, types, checkpointCategories, alerts, path } = definition;
  return {
    id,
    version,
    description,
    feature_category: featureCategory,
    urgency,
    threshold_s: thresholdMs / 1000,
    timeout_s: timeoutMs / 1000,
    ...(inactivityTimeoutMs === undefined ? {} : { inactivity_timeout_s: inactivityTimeoutMs / 1000 }),
    slo: { apdex_pct: slo.apdexPct, error_pct: slo.errorPct },
    types,
    checkpoint_categories: checkpointCategories,
    alerts: {
      enabled: alerts.enabled,
      min_events: alerts.minEvents,
      min_failures: alerts.minFailures,
      ...(alerts.expectTrafficWithinS === undefined ? {} : { expect_traffic_within_s: alerts.expectTrafficWithinS }),
    },
    path: path.map(({ category, optional, maxGapMs }) => ({
      category,
      optional,
      ...(maxGapMs === undefined ? {} : { max_gap_s: maxGapMs / 1000 }),
    })),
    // The built-in ones have no file.
    state: states.get(id) ?? "valid",
  };
}
