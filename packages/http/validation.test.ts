import { describe, expect, test } from "vitest";
import { createRecordingLogger } from "./testing/recording-logger.js";
import { bodyOf, postJson, serve } from "./testing/serve.js";
import type { SchemaCompilation } from "./validation.js";

const compilations: readonly SchemaCompilation[] = ["at-start", "when-used"];

describe.for(compilations)("schemas that are compiled %s", (schemaCompilation) => {
  test("PF-045 refuse the same requests and find the same wrong answers", async () => {
    const logger = createRecordingLogger();
    const { url } = await serve({ schemaCompilation, logger, onResponseMismatch: "report" }, (app) => {
      const size = { type: "object", required: ["size"], properties: { size: { type: "integer" } } };
      app.post(
        "/widgets",
        { config: { access: "public" }, schema: { body: size, response: { 200: size } } },
        (request) => Promise.resolve(request.body),
      );
      app.get("/widgets", { config: { access: "public" }, schema: { response: { 200: size } } }, async () => ({
        size: "small",
      }));
    });
    for (let round = 0; round < 2; round += 1) {
      expect(await bodyOf(await postJson(`${url}/widgets`, '{"size":3,"more":1}'))).toEqual({ size: 3 });
      expect((await postJson(`${url}/widgets`, '{"size":"small"}')).status).toBe(400);
      await fetch(`${url}/widgets`);
    }
    expect(logger.lines.filter(({ message }) => message === "answer does not match its schema")).toHaveLength(2);
  });
});

test("PF-045 a schema that cannot be compiled does not start where schemas are compiled at the start", async () => {
  const start = (schemaCompilation: SchemaCompilation) =>
    serve({ schemaCompilation }, (app) => {
      const schema = { querystring: { type: "object", properties: { size: { typo: true } } } };
      app.get("/widgets", { config: { access: "public" }, schema }, async () => ({}));
    });
  await expect(start("at-start")).rejects.toThrow(/typo/);
  const { url } = await start("when-used");
  expect((await fetch(`${url}/widgets`)).status).toBe(500);
});

test("PF-042 a parameter of more digits than numbers have is refused, whatever its limits", async () => {
  const { url } = await serve({}, (app) => {
    const size = { type: "integer", minimum: 1, maximum: 100 };
    const schema = {
      params: { type: "object", properties: { id: { type: "integer" } } },
      querystring: {
        type: "object",
        properties: { size, sizes: { type: "array", items: { type: "number" } } },
      },
    };
    app.get("/widgets/:id", { config: { access: "public" }, schema }, async () => ({}));
  });
  const endless = "9".repeat(400);
  for (const [path, pointer] of [
    [`1?size=${endless}`, "/query/size"],
    [`1?size=-${endless}`, "/query/size"],
    [`1?sizes=1&sizes=${endless}`, "/query/sizes"],
    [endless.slice(0, 350), "/path/id"],
  ]) {
    const answer = await fetch(`${url}/widgets/${path}`);
    expect([path, answer.status]).toEqual([path, 400]);
    expect((await bodyOf(answer))["errors"]).toMatchObject([{ pointer }]);
  }
  expect((await fetch(`${url}/widgets/1?size=100&sizes=1.5`)).status).toBe(200);
});

test("PF-042 whole numbers in queries, paths and headers are decimal digits and nothing else", async () => {
  const { url } = await serve({}, (app) => {
    const whole = { type: "integer", minimum: -10, maximum: 100 };
    const schema = {
      params: { type: "object", properties: { id: { type: "integer" } } },
      headers: { type: "object", properties: { "x-size": whole } },
      querystring: {
        type: "object",
        properties: {
          size: { ...whole, default: 20 },
          sizes: { type: "array", items: whole },
          share: { type: "number" },
          word: { type: "string" },
        },
      },
    };
    app.get("/widgets/:id", { config: { access: "public" }, schema }, async ({ query }) => query);
  });
  const ask = (path: string, headers = {}) => fetch(`${url}/widgets/${path}`, { headers });
  for (const text of ["0x10", "1e2", "%205", "5%20", "%2B5", "5.0", "0b1", "0o7", "5.", ".5", "--5"]) {
    for (const [path, pointer] of [
      [`1?size=${text}`, "/query/size"],
      [`1?sizes=1&sizes=${text}`, "/query/sizes"],
      [text, "/path/id"],
    ]) {
      const answer = await ask(path ?? "");
      expect([path, answer.status]).toEqual([path, 400]);
      const { code, errors } = await bodyOf(answer);
      expect([code, errors]).toMatchObject([
        "invalid_parameter",
        [{ pointer: expect.stringContaining(pointer ?? "") }],
      ]);
    }
  }
  expect((await ask("1", { "x-size": "0x10" })).status).toBe(400);
  expect((await ask("1", { "x-size": "10" })).status).toBe(200);
  for (const text of ["0x10", "1e2", "+5", ".5"])
    expect((await ask(`1?share=${encodeURIComponent(text)}`)).status).toBe(400);
  const answer = await ask("1?size=-5&sizes=7&share=5.0&word=0x10");
  expect(await bodyOf(answer)).toEqual({ size: -5, sizes: [7], share: 5, word: "0x10" });
});
