import { expect, test } from "vitest";
import { Secret } from "./config/secret.js";
import { withContext } from "./context.js";
import { KernelError } from "./kernel-errors.js";
import { createLogger, type LoggerOptions } from "./logger.js";
import { silentLogger } from "./silent-logger.js";

test("PF-050 a line is one JSON object with time, level, msg, component and the data fields", () => {
  const { logger, lines, texts } = captured();
  logger.info("request served", { status: 200, duration_s: 0.0125, route: "/x" });
  expect(texts[0]).toMatch(/^\{[^\n]*\}\n$/);
  expect(lines()).toEqual([
    {
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: "info",
      msg: "request served",
      component: "server",
      status: 200,
      duration_s: 0.0125,
      route: "/x",
    },
  ]);
});

test("PF-050 the context adds correlation id, cause and meta to every line", () => {
  const { logger, lines } = captured();
  const meta = { user: "ada", project: "box" };
  withContext({ correlationId: "C1", causationId: "E1", rootCaller: "web", meta }, () => logger.warn("slow"));
  logger.info("after");
  expect(lines()[0]).toMatchObject({
    correlation_id: "C1",
    causation_id: "E1",
    root_caller: "web",
    "meta.user": "ada",
    "meta.project": "box",
  });
  expect(lines()[1]).not.toHaveProperty("correlation_id");
});

test("PF-050 a child writes under its own component, once", () => {
  const { logger, texts, lines } = captured({ component: "ingest" });
  logger.child("digest").child("grouping").info("grouped");
  logger.info("taken");
  expect(lines().map(({ component }) => component)).toEqual(["grouping", "ingest"]);
  expect(texts[0]?.match(/"component"/g)).toHaveLength(1);
});

test("PF-050 secrets are redacted by name at any depth and in any spelling", () => {
  const { logger, texts } = captured();
  logger.error("failed", {
    password: "hunter2",
    headers: { Authorization: "hunter2", "set-cookie": ["hunter2"], "X-Sentry-Auth": "hunter2", accept: "seen" },
    list: [{ deep: { clientSecret: "hunter2", access_token: "hunter2", apiKey: "hunter2" } }],
    smtp_password: { nested: "hunter2" },
    url: "postgres://user:hunter2@db/box",
    dsn: "https://hunter2@box.example.test/1",
    held: new Secret("hunter2"),
    error: new KernelError("EGRESS_REFUSED", {
      message: "cannot reach https://hunter2@box.example.test/1",
      details: { token: "hunter2", host: "box" },
      cause: new Error("redis://:hunter2@cache:6379 is away"),
    }),
  });
  expect(texts.join("")).not.toContain("hunter2");
  expect(JSON.parse(texts[0] ?? "")).toMatchObject({
    password: "[redacted]",
    headers: { Authorization: "[redacted]", accept: "seen" },
    url: "postgres://***@db/box",
    error: { details: { token: "[redacted]", host: "box" } },
  });
});

test("PF-050 what is no value is left out, and no field is called", () => {
  const { logger, lines } = captured();
  const fail = () => {
    throw new Error("called");
  };
  logger.info("odd", { toJSON: fail, callback: fail, mark: Symbol("x"), list: [fail, 1], kept: 1 });
  expect(lines()[0]).toEqual({
    ...{ time: expect.any(String), level: "info", msg: "odd", component: "server" },
    ...{ list: [null, 1], kept: 1 },
  });
});

test("PF-050 configured fields are redacted like secrets, others are not", () => {
  const { logger, lines } = captured({ redact: ["remote_ip", "email"] });
  logger.info("seen", { remote_ip: "192.0.2.7", user: { email: "a@example.test", name: "ada" }, tokens_left: 3 });
  expect(lines()[0]).toMatchObject({
    remote_ip: "[redacted]",
    user: { email: "[redacted]", name: "ada" },
    tokens_left: 3,
  });
});

test("PF-050 a field keeps one type, a value of another type goes under its own name", () => {
  const { logger, lines } = captured();
  logger.info("one", { size: 5, owner: "a" });
  logger.child("other").info("two", { size: "5", owner: { name: "a" } });
  logger.info("three", { size: null, owner: undefined });
  expect(lines()[1]).toMatchObject({ size_string: "5", owner_map: { name: "a" } });
  expect(lines()[1]).not.toHaveProperty("size");
  expect(lines()[2]).not.toHaveProperty("size");
});

test("PF-050 endings of names fix the type from the first line on", () => {
  const { logger, lines } = captured();
  logger.info("one", { project_id: 7, wait_s: "1.5", body_bytes: 12 });
  expect(lines()[0]).toMatchObject({ project_id: "7", wait_s_string: "1.5", body_bytes: 12 });
});

test("PF-050 fields cannot take the place of the line's own", () => {
  const { logger, texts, lines } = captured();
  logger.info("constant", { msg: "other", level: 3, time: 0, component: "fake" });
  expect(lines()[0]).toMatchObject({
    msg: "constant",
    level: "info",
    component: "server",
    "data.msg": "other",
    "data.level": 3,
  });
  expect(texts[0]?.match(/"(msg|level|time|component)":/g)).toHaveLength(4);
});

test("PF-050 an error is written whole: class, code, stack, details and causes", () => {
  const { logger, lines } = captured();
  const cause = Object.assign(new Error("reset"), { code: "ECONNRESET" });
  logger.error("unreachable", { error: new KernelError("EGRESS_UNREACHABLE", { cause, details: { host: "h" } }) });
  logger.error("several", { error: new AggregateError([new Error("a"), "b"], "both") });
  logger.error("thrown text", { error: "just text" });
  const [one, several, text] = lines();
  expect(one).toMatchObject({
    error: {
      class: "KernelError",
      code: "EGRESS_UNREACHABLE",
      stack: expect.stringContaining("logger.test.ts"),
      details: { host: "h" },
      cause: { class: "Error", code: "ECONNRESET", message: "reset" },
    },
  });
  expect(several).toMatchObject({ error: { errors: [{ message: "a" }, { class: "string", message: "b" }] } });
  expect(text).toMatchObject({ error: { class: "string", message: "just text" } });
});

test("whatever is in the fields, a line is written and nothing is thrown", () => {
  const { logger, lines } = captured();
  const cyclic: Record<string, unknown> = { name: "cyclic" };
  cyclic["self"] = cyclic;
  const looped = new Error("looped");
  looped.cause = looped;
  const trap = {
    get value(): never {
      throw new Error("no");
    },
  };
  logger.info("odd", {
    cyclic,
    big: 12n,
    bytes: new Uint8Array(9),
    map: new Map([["a", 1]]),
    when: new Date(0),
    call: () => {},
    long: "x".repeat(100_000),
    many: Array(1000).fill(1),
    error: looped,
  });
  logger.info("trapped", { trap });
  expect(lines()[0]).toMatchObject({
    msg: "odd",
    big: "12",
    bytes: "[9 bytes]",
    map: "[Map]",
    when: "1970-01-01T00:00:00.000Z",
    error: { message: "looped" },
  });
  expect(JSON.stringify(lines()[0]).length).toBeLessThan(20_000);
  expect(lines()[1]).toMatchObject({ msg: "trapped", fields_unreadable: true });
});

test("lines below the level are not written, and their fields not looked at", () => {
  const { logger, texts } = captured({ level: "warn" });
  logger.info("quiet", {
    get costly(): never {
      throw new Error("looked at");
    },
  });
  logger.debug("quiet");
  expect(texts).toEqual([]);
  expect([logger.isEnabled("info"), logger.isEnabled("warn")]).toEqual([false, true]);
  expect(captured({ level: "silent" }).logger.isEnabled("error")).toBe(false);
});

test("PF-050 pretty lines name component, message, fields and level for a person", () => {
  const { logger, texts } = captured({ format: "pretty" });
  withContext({ correlationId: "C1" }, () => {
    logger.warn("slow answer", { duration_s: 1.5, password: "hunter2", error: new Error("why") });
  });
  const text = texts.join("");
  expect(text).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: \[server\] slow answer\n/);
  expect(text).toContain("duration_s: 1.5");
  expect(text).toContain('correlation_id: "C1"');
  expect(text).toContain("why");
  expect(text).not.toContain("hunter2");
});

test("the silent logger writes nothing and has silent children", () => {
  silentLogger.error("unheard");
  expect(silentLogger.child("any").isEnabled("error")).toBe(false);
});

function captured(options: Partial<LoggerOptions> = {}) {
  const texts: string[] = [];
  const logger = createLogger({ level: "debug", ...options, destination: { write: (text) => void texts.push(text) } });
  return { logger, texts, lines: (): Record<string, unknown>[] => texts.map((text) => JSON.parse(text)) };
}
