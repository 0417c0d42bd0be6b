import { createHttpServer, findUndocumented, HttpProblem } from "@signalbox/http";
import { createTestTokens, type TestTokens } from "@signalbox/http/testing";
import { silentLogger, systemClock } from "@signalbox/kernel";
import type { SourceAnswer, TimelineEntry, TimelineQuery, TimelineSource } from "@signalbox/timeline";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createTimelineApi } from "./index.js";

const ulid = "01JZ3V2M5T8Q4X9C7B6A1D0E2F";
const atMs = Date.UTC(2026, 2, 1);
let tokens: TestTokens;

beforeAll(async () => {
  tokens = await createTestTokens();
});

function entry(id: string, offsetMs: number, rest: Partial<TimelineEntry> = {}): TimelineEntry {
  const kind = id.split(":")[0] as TimelineEntry["kind"];
  return { id, kind, atMs: atMs + offsetMs, title: id, status: "done", outcome: "ok", link: "/api/v1/x", ...rest };
}

function source(
  name: string,
  find: (query: TimelineQuery) => Partial<SourceAnswer> | Promise<SourceAnswer>,
): TimelineSource {
  return { name, find: async (query) => ({ entries: [], hidden: 0, truncated: false, ...(await find(query)) }) };
}

async function ask(
  sources: readonly TimelineSource[],
  id = ulid,
  scopes: Parameters<TestTokens["bearer"]>[0] = ["timeline:read"],
) {
  const app = await createHttpServer({
    authenticator: tokens.authenticator,
    rateLimits: false,
    openApi: { title: "test", version: "1" },
  });
  await app.register(createTimelineApi({ sources, clock: systemClock, logger: silentLogger, sourceTimeoutMs: 200 }));
  onTestFinished(() => app.close());
  await app.ready();
  const answer = await app.inject({
    url: `/api/v1/timeline/${encodeURIComponent(id)}`,
    headers: await tokens.bearer(scopes),
  });
  return { app, status: answer.statusCode, body: answer.json() };
}

describe("PF-070 a timeline", () => {
  test("PF-070 is one story of all sources, in order, with durations, links and causes", async () => {
    const { body } = await ask([
      source("journeys", () => ({ entries: [entry("journey:checkout", 0, { durationMs: 2_500 })] })),
      source("events", () => ({ entries: [entry("event:b", 10, { causedBy: "event:a" }), entry("event:a", 10)] })),
      source("errors", () => ({ entries: [entry("error:e", 5)] })),
    ]);
    expect(body).toMatchObject({ correlation_id: ulid, complete: true, not_visible_to_you: 0 });
    expect(body.entries.map(({ id }: { id: string }) => id)).toEqual([
      "journey:checkout",
      "error:e",
      "event:a",
      "event:b",
    ]);
    expect(body.entries[0]).toEqual({
      id: "journey:checkout",
      kind: "journey",
      at: "2026-03-01T00:00:00.000Z",
      title: "journey:checkout",
      status: "done",
      outcome: "ok",
      duration_s: 2.5,
      link: "/api/v1/x",
      related: [],
    });
    expect(body.entries[3].caused_by).toBe("event:a");
  });

  test.each([
    ["lower case", ulid.toLowerCase(), ulid],
    ["a UUID", "019fc7b1-50ba-45c9-d4b0-eb32941681cf", undefined],
    ["hex digits", "019FC7B150BA45C9D4B0EB32941681CF", undefined],
    ["another form", "request-4711", "request-4711"],
  ])("PF-070 is asked for by the canonical id: %s", async (_form, id, canonical) => {
    const seen: string[] = [];
    const spy = source("any", ({ correlationIds }) => {
      seen.push(...correlationIds);
      return {};
    });
    const { body } = await ask([spy], id);
    expect(seen).toEqual([body.correlation_id]);
    expect(body.correlation_id).toBe(canonical ?? (await ask([spy], seen[0])).body.correlation_id);
  });

  test("PF-070 follows other correlation ids of the same work", async () => {
    const journeys: TimelineSource = {
      ...source("journeys", () => ({})),
      aliases: async ({ correlationId, principal }) =>
        correlationId === ulid && principal.subject !== "" ? ["request-4711", "no\nid", "x".repeat(65)] : [],
    };
    const errors = source("errors", ({ correlationIds }) => ({
      entries: correlationIds.includes("request-4711") ? [entry("error:e", 0)] : [],
    }));
    const { body } = await ask([journeys, errors]);
    expect(body.aliases).toEqual(["request-4711"]);
    expect(body.entries).toHaveLength(1);
  });

  test("PF-070 says which source was unavailable, failed or too slow, and shows the others", async () => {
    const { body, status } = await ask([
      source("journeys", () => {
        throw new Error("the store is away");
      }),
      source("events", () => new Promise(() => {})),
      source("errors", () => ({ entries: [entry("error:e", 0)], truncated: true })),
    ]);
    expect(status).toBe(200);
    expect(body.complete).toBe(false);
    expect(body.sources).toEqual([
      { name: "journeys", state: "unavailable", entries: 0, not_visible_to_you: 0 },
      { name: "events", state: "unavailable", entries: 0, not_visible_to_you: 0 },
      { name: "errors", state: "truncated", entries: 1, not_visible_to_you: 0 },
    ]);
    expect(body.entries).toHaveLength(1);
  });

  test("PF-070 counts what is not visible, by source and in all", async () => {
    const { body } = await ask([
      source("errors", () => ({ hidden: 3 })),
      source("events", () => ({ entries: [entry("event:a", 0)], hidden: 4 })),
    ]);
    expect(body.not_visible_to_you).toBe(7);
    expect(body.sources.map((each: { not_visible_to_you: number }) => each.not_visible_to_you)).toEqual([3, 4]);
  });

  test("PF-070 PF-030 needs timeline:read", async () => {
    expect((await ask([], ulid, ["events:read"])).status).toBe(403);
    expect((await ask([], ulid, ["admin"])).status).toBe(200);
  });

  test("PF-070 of something that is no correlation id is refused", async () => {
    const { status, body } = await ask([], "no id");
    expect([status, body.code]).toEqual([400, new HttpProblem("invalid_parameter").code]);
    expect((await ask([], "x".repeat(65))).status).toBe(400);
  });

  test("PF-072 is exported as Markdown too, in which nothing of an event becomes markup", async () => {
    const { app } = await ask([
      source("errors", () => ({
        entries: [
          entry("error:e", 0, {
            title: "<img src=x> | [click](http://evil)\n# now",
            status: "error",
            durationMs: 250.000_000_4,
          }),
        ],
        hidden: 2,
      })),
      source("events", () => ({ truncated: true })),
    ]);
    const answer = await app.inject({
      url: `/api/v1/timeline/${ulid}?format=markdown`,
      headers: await tokens.bearer(["timeline:read"]),
    });
    expect(answer.headers["content-type"]).toBe("text/markdown; charset=utf-8");
    expect(answer.body).toBe(
      [
        `# Timeline of \`${ulid}\``,
        "",
        "- events: truncated",
        "- 2 entries are not visible to you",
        "",
        "| time | what | title | status | took | where |",
        "| --- | --- | --- | --- | --- | --- |",
        "| 2026-03-01T00:00:00.000Z | error | \\<img src=x\\> \\| \\[click\\]\\(http://evil\\) \\# now | error | 0.25 s | `/api/v1/x` |",
        "",
      ].join("\n"),
    );
  });

  test("PF-045 is documented", async () => {
    const { app } = await ask([]);
    expect(findUndocumented((await app.inject({ url: "/openapi.json" })).json())).toEqual([]);
  });
});

test("PF-071 a journey that timed out leads to the error, and the error to the journey and the events before it", async () => {
  const { body } = await ask([
    source("journeys", () => ({
      entries: [entry("journey:checkout/1", 0, { status: "timed_out", outcome: "failed" })],
    })),
    source("events", () => ({
      entries: [entry("event:a", 1), entry("attempt:a", 2, { status: "dead", outcome: "failed", causedBy: "event:a" })],
    })),
    source("errors", () => ({
      entries: [entry("error:e", 3, { status: "error", outcome: "failed", causedBy: "event:a" })],
    })),
  ]);
  const related = Object.fromEntries(
    body.entries.map(({ id, related: others }: { id: string; related: string[] }) => [id, others]),
  );
  expect(related).toEqual({
    "journey:checkout/1": ["attempt:a", "error:e"],
    "event:a": [],
    "attempt:a": ["journey:checkout/1", "error:e"],
    "error:e": ["journey:checkout/1", "event:a"],
  });
});

test("PF-071 a journey that failed says why in one sentence, as JSON and as Markdown; nothing is concluded from what is missing", async () => {
  const journeys = source("journeys", () => ({
    entries: [entry("journey:1", 0, { title: "checkout", status: "timed_out", outcome: "failed", durationMs: 5_000 })],
  }));
  const dead = entry("attempt:a", 2, {
    title: "payments.charge/shop.order_placed",
    status: "dead",
    outcome: "failed",
    details: { error: "TypeError: <b>no</b> account" },
  });
  const { app, body } = await ask([journeys, source("events", () => ({ entries: [dead] }))]);
  expect(body.entries[0].explanation).toEqual({
    text: "checkout ran out of time after 5 s, probably because payments.charge failed and was given up: TypeError: <b>no</b> account",
    cause: "attempt:a",
  });
  const document = await app.inject({
    url: `/api/v1/timeline/${ulid}?format=markdown`,
    headers: await tokens.bearer(["timeline:read"]),
  });
  expect(document.body).toContain("checkout ran out of time after 5 s, probably because payments.charge failed");
  expect(document.body).not.toContain("<b>");

  expect((await ask([journeys])).body.entries[0].explanation.text).toContain("no error was reported");
  const hidden = await ask([journeys, source("errors", () => ({ hidden: 3 }))]);
  expect(hidden.body.entries[0].explanation).toEqual({ text: "checkout ran out of time after 5 s" });
});
