import { Validator } from "@seriousme/openapi-schema-validator";
import { defineErrors } from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";
import { describe, expect, test } from "vitest";
import { findUndocumented } from "./openapi.js";
import { pageParameters } from "./pagination.js";
import { createHttpServer } from "./server.js";
import { bodyOf, postJson, serve } from "./testing/serve.js";
import { createTestTokens } from "./testing/tokens.js";

const tokens = await createTestTokens();
const widgetErrors = defineErrors("Widgets", { WIDGET_JAMMED: { message: "The widget is jammed.", status: 409 } });
const openApi = { title: "Widgets", version: "1.2.3", catalogues: [widgetErrors] };

const widget = {
  type: "object",
  required: ["id", "name"],
  properties: { id: { type: "integer" }, name: { type: ["string", "null"] } },
} as const;

function documentedRoutes(app: FastifyInstance): void {
  app.get(
    "/widgets",
    {
      config: { access: { scope: ["errors:read", "relay:read"] } },
      schema: {
        summary: "All widgets",
        querystring: { type: "object", properties: { ...pageParameters } },
        response: {
          200: { description: "A page.", type: "array", items: widget, examples: [[{ id: 1, name: "cog" }]] },
        },
      },
    },
    async () => [{ id: 1, name: "cog" }],
  );
  app.put<{ Params: { id: number }; Body: { name: string } }>(
    "/widgets/:id",
    {
      config: { access: "public", errors: ["WIDGET_JAMMED"] },
      schema: {
        summary: "Change a widget",
        params: {
          type: "object",
          required: ["id"],
          properties: { id: { type: "integer", description: "Which one.", examples: [7] } },
        },
        body: {
          type: "object",
          required: ["name"],
          properties: { name: { type: "string", const: "cog" } },
          examples: [{ name: "cog" }],
        },
        response: { 200: { ...widget, description: "As changed.", examples: [{ id: 7, name: "cog" }] } },
      },
    },
    async (request) => ({ id: request.params.id, name: request.body.name }),
  );
  app.delete(
    "/widgets/:id",
    {
      config: { access: "public" },
      schema: {
        summary: "Remove a widget",
        params: { type: "object", properties: { id: { type: "integer", description: "Which one.", examples: [7] } } },
        response: { 204: { type: "null", description: "Gone." } },
      },
    },
    async (_request, reply) => reply.code(204).send(),
  );
}

describe("PF-045 /openapi.json", () => {
  test("PF-045 is a valid OpenAPI 3.1 document of the routes, readable without a token", async () => {
    const { url } = await serve({ openApi, authenticator: tokens.authenticator }, documentedRoutes);
    const response = await fetch(`${url}/openapi.json`);
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
    const document = await bodyOf(response);
    expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "Widgets", version: "1.2.3" } });
    expect(Object.keys(document["paths"] ?? {}).sort()).toEqual(["/openapi.json", "/widgets", "/widgets/{id}"]);
    expect(await new Validator().validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(findUndocumented(document)).toEqual([]);
  });

  test("PF-045 states scopes and every code by status, with an example of each", async () => {
    const { url } = await serve({ openApi, authenticator: tokens.authenticator }, documentedRoutes);
    expect(await bodyOf(await fetch(`${url}/openapi.json`))).toMatchObject({
      paths: {
        "/widgets": {
          get: {
            security: [{ bearer: ["errors:read"] }, { bearer: ["relay:read"] }],
            responses: {
              401: {
                content: {
                  "application/problem+json": {
                    schema: { $ref: "#/components/schemas/Problem" },
                    examples: { missing_token: {}, invalid_token: {}, token_expired: {} },
                  },
                },
              },
              403: { description: expect.stringContaining("`insufficient_scope`") },
              429: {},
            },
          },
        },
        "/widgets/{id}": {
          put: {
            responses: {
              400: { description: expect.stringMatching(/invalid_parameter.*malformed_json/s) },
              409: {
                content: { "application/problem+json": { examples: { WIDGET_JAMMED: { value: { status: 409 } } } } },
              },
              413: {},
              415: {},
            },
          },
        },
      },
    });
  });

  test("PF-045 the schemas that are shown check requests and answers", async () => {
    const { url } = await serve({ openApi, authenticator: tokens.authenticator }, documentedRoutes);
    const put = (body: string) =>
      fetch(`${url}/widgets/7`, { method: "PUT", body, headers: { "content-type": "application/json" } });
    expect(await bodyOf(await put('{"name":"cog"}'))).toEqual({ id: 7, name: "cog" });
    expect(await bodyOf(await put('{"name":"wheel"}'))).toMatchObject({ code: "invalid_parameter" });
    // A body is not converted: what is documented as text must be text.
    expect(await bodyOf(await put('{"name":7}'))).toMatchObject({ errors: [{ pointer: "/name", code: "wrong_type" }] });
    const wrong = await serve({ openApi }, (app) => {
      app.post("/widgets", { config: { access: "public" }, schema: { response: { 201: widget } } }, (_request, reply) =>
        reply.code(201).send({ id: 1 }),
      );
    });
    expect((await postJson(`${wrong.url}/widgets`, "{}")).status).toBe(500);
  });

  test("PF-045 a code that no catalogue knows is found when the document is made", async () => {
    const app = await createHttpServer({ openApi });
    app.get(
      "/x",
      { config: { access: "public", errors: ["NO_SUCH_CODE"] }, schema: { summary: "x" } },
      async () => ({}),
    );
    await app.ready();
    expect(() => app.swagger()).toThrow(expect.objectContaining({ code: "HTTP_ROUTE_UNDOCUMENTED" }));
    await app.close();
  });

  test("PF-045 the check names what a route lacks", async () => {
    const app = await createHttpServer({ openApi });
    app.post(
      "/bare/:id",
      {
        config: { access: "protocol" },
        schema: {
          querystring: { type: "object", properties: { q: { type: "string" } } },
          body: { type: "object" },
          response: { 200: { type: "object" } },
        },
      },
      async () => ({}),
    );
    await app.ready();
    expect(findUndocumented(app.swagger())).toEqual([
      "POST /bare/{id} has no summary",
      "POST /bare/{id} parameter q has no description",
      "POST /bare/{id} parameter q has no example",
      "POST /bare/{id} parameter id has no description",
      "POST /bare/{id} parameter id has no example",
      "POST /bare/{id} has a body without an example",
      "POST /bare/{id} has no error answer",
      "POST /bare/{id} answer 200 has no description",
      "POST /bare/{id} answer 200 has no example",
    ]);
    await app.close();
  });
});
