// Route schemas of other packages may carry a summary, tags and what else the document shows.
/// <reference types="@fastify/swagger" preserve="true" />

import swagger, { type FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import type { ErrorCatalogue, ErrorEntry } from "@signalbox/kernel";
import type { FastifyInstance, FastifySchema, RouteOptions } from "fastify";
import { scopesOf } from "./access.js";
import { HttpSetupError, httpErrors } from "./errors.js";
import { HttpProblem, problemDocument } from "./problems.js";

export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
  /** Address under which clients reach the server; absent: wherever the document was fetched. */
  readonly serverUrl?: string;
  /** Catalogues of the codes that routes name in `config.errors`; the shared HTTP codes are known. */
  readonly catalogues?: readonly ErrorCatalogue[];
}

/** Serves `/openapi.json`, made from the schemas of the routes that are registered after this call. */
export async function addOpenApi(app: FastifyInstance, options: OpenApiOptions): Promise<void> {
  const codes = collectCodes([httpErrors, ...(options.catalogues ?? [])]);
  await app.register(swagger, swaggerOptions(options, codes));
  let text: string | undefined;
  app.get(
    "/openapi.json",
    {
      config: { access: "public" },
      schema: {
        summary: "This document",
        response: {
          200: {
            description: "The OpenAPI document of this server.",
            type: "object",
            additionalProperties: true,
            examples: [{ openapi: "3.1.0" }],
          },
        },
      },
    },
    async (_request, reply) => {
      text ??= JSON.stringify(app.swagger());
      return reply.type("application/json; charset=utf-8").send(text);
    },
  );
}

function swaggerOptions(options: OpenApiOptions, codes: Codes): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: options.title,
        version: options.version,
        ...(options.description === undefined ? {} : { description: options.description }),
      },
      ...(options.serverUrl === undefined ? {} : { servers: [{ url: options.serverUrl }] }),
      components: {
        securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
        schemas: {
          Problem: {
            type: "object",
            description: "What went wrong, as RFC 9457 defines it.",
            required: ["type", "title", "status", "code", "detail", "instance", "correlation_id"],
            properties: {
              type: { type: "string", description: "Identifies the kind of problem; ends in the code." },
              title: { type: "string", description: "The kind of problem in one sentence." },
              status: { type: "integer", description: "The status of the answer." },
              code: { type: "string", description: "Stable name of the kind of problem." },
              detail: { type: "string", description: "What is wrong with this request." },
              instance: { type: "string", description: "Path of the request." },
              correlation_id: { type: "string", description: "Finds the request in logs and on the timeline." },
              errors: {
                type: "array",
                description: "The places at fault.",
                items: {
                  type: "object",
                  required: ["pointer", "code", "message"],
                  properties: {
                    pointer: {
                      type: "string",
                      description: "JSON pointer into the body, or below /query, /path or /headers.",
                    },
                    code: { type: "string" },
                    message: { type: "string" },
                  },
                },
              },
            },
          },
        },
      },
    },
    stripBasePath: false,
    convertConstToEnum: false,
    transform: ({ schema, url, route }) => ({ url, schema: documented(schema, route, codes) }),
  };
}

type Codes = ReadonlyMap<string, ErrorEntry>;

function collectCodes(catalogues: readonly ErrorCatalogue[]): Codes {
  return new Map(catalogues.flatMap((catalogue) => Object.entries(catalogue.entries)));
}

/** The route's schema with what follows from its config: who may call it, and the codes of its problems by status. */
function documented(schema: FastifySchema | undefined, route: RouteOptions, codes: Codes): FastifySchema {
  const { config = {} } = route;
  const scopes = scopesOf(config.access ?? "public");
  const names = [...(config.access === "protocol" ? [] : sharedCodes(route)), ...(config.errors ?? [])];
  const responses: Record<string, unknown> = isRecord(schema?.response) ? { ...schema.response } : {};
  for (const [status, group] of groupByStatus(names, codes, route)) responses[status] ??= problemResponse(group, codes);
  return {
    ...schema,
    response: responses,
    ...(scopes.length > 0 ? { security: scopes.map((scope) => ({ bearer: [scope] })) } : {}),
  };
}

function sharedCodes(route: RouteOptions): string[] {
  const { config = {}, schema } = route;
  const codes = ["rate_limited", "shutting_down", "internal_error"];
  if (scopesOf(config.access ?? "public").length > 0)
    codes.push("missing_token", "invalid_token", "token_expired", "insufficient_scope");
  if (schema?.querystring || schema?.params || schema?.headers || schema?.body) codes.push("invalid_parameter");
  if (schema?.body)
    codes.push("empty_body", "malformed_json", "body_too_large", "unsupported_media_type", "unsupported_encoding");
  return codes;
}

function groupByStatus(names: readonly string[], codes: Codes, route: RouteOptions): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const status = codes.get(name)?.status;
    if (status === undefined)
      throw new HttpSetupError("HTTP_ROUTE_UNDOCUMENTED", {
        message: `${route.method} ${route.url} names the error code ${name}, which no catalogue gives a status.`,
      });
    const group = groups.get(String(status));
    if (group) group.push(name);
    else groups.set(String(status), [name]);
  }
  return groups;
}

function problemResponse(names: readonly string[], codes: Codes): unknown {
  const examples: Record<string, { summary: string; value: unknown }> = {};
  for (const name of names) {
    const entry = codes.get(name);
    if (entry === undefined) continue;
    const problem = new HttpProblem(name, entry);
    examples[name] = {
      summary: entry.message,
      value: problemDocument(problem, "/api/v1/example", "01JZ3V2M5T8Q4X9C7B6A1D0E2F"),
    };
  }
  return {
    description: names.map((name) => `\`${name}\`: ${codes.get(name)?.message ?? ""}`).join("\n\n"),
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" }, examples } },
  };
}

const httpMethods: ReadonlySet<string> = new Set(["get", "put", "post", "delete", "options", "patch"]);

/**
 * What an OpenAPI document lacks to be of use: one line for each operation without a summary, parameter without
 * description or example, body or JSON answer without example, and operation without success or error answers.
 * Empty when all is there.
 */
export function findUndocumented(document: unknown): string[] {
  const findings: string[] = [];
  const paths = isRecord(document) && isRecord(document["paths"]) ? document["paths"] : {};
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(isRecord(item) ? item : {})) {
      if (!httpMethods.has(method) || !isRecord(operation)) continue;
      for (const gap of gapsOf(operation)) findings.push(`${method.toUpperCase()} ${path} ${gap}`);
    }
  }
  return findings;
}

function* gapsOf(operation: Record<string, unknown>): Generator<string> {
  if (!isText(operation["summary"])) yield "has no summary";
  for (const parameter of records(operation["parameters"])) {
    const name = `parameter ${String(parameter["name"])}`;
    if (!isText(parameter["description"])) yield `${name} has no description`;
    if (!hasExample(parameter)) yield `${name} has no example`;
  }
  const body = operation["requestBody"];
  if (isRecord(body) && !everyContentHasExample(body["content"])) yield "has a body without an example";
  const responses = isRecord(operation["responses"]) ? operation["responses"] : {};
  const statuses = Object.keys(responses);
  if (!statuses.some((status) => /^[23]/.test(status))) yield "has no success answer";
  if (!statuses.some((status) => /^[45]/.test(status))) yield "has no error answer";
  for (const [status, response] of Object.entries(responses)) {
    if (!isRecord(response)) continue;
    const { description } = response;
    if (!isText(description) || description === "Default Response") yield `answer ${status} has no description`;
    if (!everyContentHasExample(response["content"])) yield `answer ${status} has no example`;
  }
}

function everyContentHasExample(content: unknown): boolean {
  return !isRecord(content) || Object.values(content).every((media) => isRecord(media) && hasExample(media));
}

function hasExample(holder: Record<string, unknown>): boolean {
  if (holder["example"] !== undefined || holder["examples"] !== undefined) return true;
  const { schema } = holder;
  return isRecord(schema) && (schema["example"] !== undefined || schema["examples"] !== undefined);
}

function records(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
