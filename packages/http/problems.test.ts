import { PassThrough } from "node:stream";
import { defineErrors, SignalboxError } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { httpErrors } from "./errors.js";
import { HttpProblem } from "./problems.js";
import { createRecordingLogger } from "./testing/recording-logger.js";
import { bodyOf, postJson, serve } from "./testing/serve.js";

const ownErrors = defineErrors("Widgets", {
  WIDGET_JAMMED: { message: "The widget is jammed.", status: 409 },
  WIDGET_STORE_AWAY: { message: "The widget store is away.", retryable: true },
});

describe("PF-040 errors are problem documents", () => {
  test("PF-040 with type, title, status, code, detail, instance and the request's correlation id", async () => {
    const { url } = await serve({}, (app) => {
      app.get("/widgets/:id", { config: { access: "public" } }, () => {
        throw new HttpProblem("WIDGET_JAMMED", ownErrors.entries.WIDGET_JAMMED, { detail: "Widget 7 is jammed." });
      });
    });
    const response = await fetch(`${url}/widgets/7?secret=abc`, { headers: { "x-correlation-id": "journey-1" } });
    expect(response.status).toBe(409);
    expect(response.headers.get("content-type")).toBe("application/problem+json; charset=utf-8");
    expect(await bodyOf(response)).toEqual({
      type: "urn:signalbox:error:WIDGET_JAMMED",
      title: "The widget is jammed.",
      status: 409,
      code: "WIDGET_JAMMED",
      detail: "Widget 7 is jammed.",
      instance: "/widgets/7",
      correlation_id: "journey-1",
    });
  });

  test("PF-040 a request that does not fit the schema gets the place and fault of each part", async () => {
    const { url } = await serve({}, (app) => {
      app.post(
        "/widgets/:id",
        {
          config: { access: "public" },
          schema: {
            params: { type: "object", required: ["id"], properties: { id: { type: "integer" } } },
            querystring: { type: "object", properties: { size: { enum: ["small", "large"] } } },
            body: {
              type: "object",
              required: ["name"],
              additionalProperties: false,
              properties: { name: { type: "object", properties: { "a/b": { type: "string", maxLength: 2 } } } },
            },
          },
        },
        async () => ({}),
      );
    });
    const inPath = await bodyOf(await postJson(`${url}/widgets/x`, "{}"));
    expect(inPath).toMatchObject({ status: 400, code: "invalid_parameter" });
    expect(inPath["errors"]).toEqual([{ pointer: "/path/id", code: "wrong_type", message: "must be integer" }]);
    const inQuery = await bodyOf(await postJson(`${url}/widgets/1?size=big`, '{"name":{}}'));
    expect(inQuery["errors"]).toEqual([
      { pointer: "/query/size", code: "not_in_enum", message: "must be one of small, large" },
    ]);
    const missing = await bodyOf(await postJson(`${url}/widgets/1`, "{}"));
    expect(missing["errors"]).toEqual([{ pointer: "/name", code: "required", message: "is required" }]);
    const unknown = await bodyOf(await postJson(`${url}/widgets/1`, '{"name":{},"n/m~":1}'));
    expect(unknown["errors"]).toEqual([{ pointer: "/n~1m~0", code: "unknown_field", message: "is not known here" }]);
    const deep = await bodyOf(await postJson(`${url}/widgets/1`, '{"name":{"a/b":"long"}}'));
    expect(deep["errors"]).toEqual([
      { pointer: "/name/a~1b", code: "too_long", message: "must NOT have more than 2 characters" },
    ]);
  });

  test("PF-040 an unexpected error says nothing of itself and is logged once, whole", async () => {
    const logger = createRecordingLogger();
    const { url } = await serve({ logger }, (app) => {
      app.get("/boom", { config: { access: "public" } }, async () => {
        throw new Error("connect to postgres://admin:hunter2@db failed");
      });
    });
    const response = await fetch(`${url}/boom`);
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(JSON.parse(text)).toMatchObject({
      code: "internal_error",
      detail: httpErrors.entries.internal_error.message,
    });
    expect(text).not.toContain("hunter2");
    expect(logger.lines).toHaveLength(1);
    expect(logger.lines[0]?.level).toBe("error");
    expect(logger.lines[0]?.fields?.error).toMatchObject({ message: expect.stringContaining("hunter2") });
  });

  test("PF-040 an answer that breaks off after its headers is logged, and its connection closed", async () => {
    const logger = createRecordingLogger();
    const { url } = await serve({ logger }, (app) => {
      app.get("/stream", { config: { access: "public" } }, (_request, reply) => {
        const source = new PassThrough();
        source.write("begin");
        setImmediate(() => source.destroy(new Error("disk gone")));
        return reply.send(source);
      });
    });
    await expect(fetch(`${url}/stream`).then((response) => response.text())).rejects.toThrow("terminated");
    expect(logger.lines).toMatchObject([{ level: "warn", message: "answer broke off" }]);
  });

  test("PF-040 errors of other packages keep their code and status; passing ones are 503 with Retry-After", async () => {
    class WidgetError extends SignalboxError {
      constructor(code: keyof typeof ownErrors.entries) {
        super(code, ownErrors.entries[code]);
      }
    }
    const { url } = await serve({}, (app) => {
      app.get("/jammed", { config: { access: "public" } }, () => {
        throw new WidgetError("WIDGET_JAMMED");
      });
      app.get("/away", { config: { access: "public" } }, () => {
        throw new WidgetError("WIDGET_STORE_AWAY");
      });
    });
    expect(await bodyOf(await fetch(`${url}/jammed`))).toMatchObject({ status: 409, code: "WIDGET_JAMMED" });
    const away = await fetch(`${url}/away`);
    expect(away.headers.get("retry-after")).toBe("5");
    expect(await bodyOf(away)).toMatchObject({ status: 503, code: "unavailable" });
  });

  test("PF-040 a protocol keeps its own shape, also for what the shared hooks refuse", async () => {
    const { url } = await serve({}, async (app) => {
      await app.register(async (plugin) => {
        plugin.setErrorHandler((error, _request, reply) =>
          reply.code(error instanceof HttpProblem ? error.status : 500).send({ error: "in its own way" }),
        );
        plugin.get("/protocol", { config: { access: "protocol" } }, () => {
          throw new Error("anything");
        });
      });
      app.get("/api", { config: { access: "public" } }, () => {
        throw new HttpProblem("not_found");
      });
    });
    expect(await bodyOf(await fetch(`${url}/protocol`))).toEqual({ error: "in its own way" });
    expect(await bodyOf(await fetch(`${url}/api`))).toMatchObject({ code: "not_found" });
  });

  test("PF-040 an answer that does not match its schema is a 500 and never sent", async () => {
    const logger = createRecordingLogger();
    const { url } = await serve({ logger }, (app) => {
      app.get(
        "/widget",
        {
          config: { access: "public" },
          schema: { response: { 200: { type: "object", required: ["id"], properties: { id: { type: "integer" } } } } },
        },
        async () => ({ id: "seven" }),
      );
    });
    const response = await fetch(`${url}/widget`);
    expect(response.status).toBe(500);
    expect(logger.lines[0]?.fields?.error).toMatchObject({
      code: "HTTP_RESPONSE_MISMATCH",
      message: "The answer of GET /widget does not match its schema: /id must be integer.",
    });
  });

  test("PF-040 when told to report, a mismatching answer is sent and logged", async () => {
    const logger = createRecordingLogger();
    const { url } = await serve({ logger, onResponseMismatch: "report" }, (app) => {
      app.get(
        "/widget",
        {
          config: { access: "public" },
          schema: { response: { 200: { type: "object", properties: { size: { type: "string", enum: ["s"] } } } } },
        },
        async () => ({ size: "xl" }),
      );
    });
    expect(await bodyOf(await fetch(`${url}/widget`))).toEqual({ size: "xl" });
    expect(logger.lines.map((line) => line.level)).toEqual(["warn"]);
  });
});

test("while something is away, requests that need it are logged once for each reason, not once each", async () => {
  const logger = createRecordingLogger();
  const { url } = await serve({ logger }, (app) => {
    app.get("/widgets", { config: { access: "public" } }, () => {
      throw new SignalboxError("WIDGET_STORE_AWAY", ownErrors.entries.WIDGET_STORE_AWAY);
    });
    app.get("/tokens", { config: { access: "public" } }, () => {
      throw new HttpProblem("unavailable");
    });
  });
  const ask = async (path: string): Promise<number> => (await fetch(`${url}${path}`)).status;
  for (let request = 0; request < 10; request++) {
    expect(await ask("/widgets")).toBe(503);
    expect(await ask("/tokens")).toBe(503);
  }
  const lines = logger.lines.filter(({ message }) => message === "request needs what is away");
  expect(lines).toMatchObject([
    { level: "warn", fields: { failures: 1 } },
    { level: "warn", fields: { failures: 1 } },
  ]);
});
