import { type DomainEvent, defineEvent, defineSubscriber } from "@signalbox/event-store";
import { findUndocumented, type Scope } from "@signalbox/http";
import { ulid, withContext } from "@signalbox/kernel";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestEvents, type TestEvents } from "../testing/open-events.js";

const created = defineEvent("ci.pipeline_created", {
  description: "A pipeline was made",
  owner: "ci",
  category: "delivery",
  sensitive: ["/token"],
  examples: [{ id: 1 }],
  schema: {
    type: "object",
    required: ["id"],
    properties: { id: { type: "integer", description: "Number of the pipeline" }, token: { type: "string" } },
  },
});
const started = defineEvent("ci.pipeline_started", {
  version: 2,
  upcast: { 1: (data) => data },
  schema: { type: "object" },
});
const keyed = defineEvent("ci.keyed", { schema: { type: "object" }, key: () => "one" });

let engine: ClickHouseHttpServer;
let events: TestEvents;
let failing = true;

beforeAll(async () => {
  engine = await startClickHouseHttp();
  events = await openTestEvents(
    engine.url,
    (registry) => {
      const fine = defineSubscriber<{ id: number }>("a.fine", {
        async handle(event) {
          if (event.data.id === 1) await events.eventStore.publish(started.create({}));
        },
      });
      const broken = defineSubscriber<{ id: number; token?: string }>("b.broken", {
        retry: { maxAttempts: 1 },
        async handle(event) {
          if (failing)
            throw Object.assign(new RangeError(`pipeline ${event.data.id} is out of range`), { code: "E_RANGE" });
        },
      });
      const stuck = defineSubscriber("c.stuck", {
        retry: { maxAttempts: 9, baseMs: 600_000, maxMs: 600_000 },
        handle: async () => {
          throw new Error("later");
        },
      });
      registry.subscribe(fine, { to: created });
      registry.subscribe(broken, { to: created });
      registry.subscribe(defineSubscriber<{ id: number }>("d.picky", { handle: async () => {} }), {
        to: created,
        if: (event) => event.data.id > 1_000,
      });
      registry.subscribe(stuck, { to: keyed });
      registry.register(started);
    },
    { maxReplays: 2 },
  );
  await events.eventStore.start();
});

afterAll(async () => {
  await events?.close();
  await engine?.stop();
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every form
  readonly body: any;
}

async function call(
  method: "GET" | "POST" | "DELETE" | "PUT",
  path: string,
  given: { scopes?: readonly Scope[] | null; body?: object; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { scopes = ["events:read", "events:admin"], body, headers } = given;
  const answer = await events.app.inject({
    method,
    url: `/api/v1/events${path}`,
    headers: { ...(scopes && (await events.tokens.bearer(scopes, { subject: "night shift" }))), ...headers },
    ...(body && { payload: body }),
  });
  const isJson = String(answer.headers["content-type"]).includes("json");
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text: answer.body,
    body: isJson && answer.body !== "" ? answer.json() : undefined,
  };
}

const get = (path: string, scopes?: readonly Scope[]): Promise<Answer> => call("GET", path, scopes && { scopes });

async function publish(event: DomainEvent<unknown>): Promise<string> {
  await events.eventStore.publish(event);
  return event.id;
}

/** Publishes pipelines whose letters of `b.broken` are dead when this resolves. */
async function deadLetters(count: number): Promise<string[]> {
  failing = true;
  const ids: string[] = [];
  for (let index = 0; index < count; index++)
    ids.push(await publish(created.create({ id: index + 2, token: "hunter2" })));
  const letters = ids.map((id) => `${id}.b.broken/ci.pipeline_created`);
  await expect
    .poll(async () => {
      const states = await Promise.all(letters.map((id) => events.eventStore.dead.get(id)));
      return states.every((letter) => letter?.state === "dead");
    })
    .toBe(true);
  return letters;
}

const path = (id: string): string => encodeURIComponent(id);

// Types

describe("ES-465 event types", () => {
  test("ES-465 are listed by name, page by page", async () => {
    const first = await get("/types?limit=2");
    expect(first.status).toBe(200);
    expect(first.body.map(({ type }: { type: string }) => type)).toEqual(["ci.keyed", "ci.pipeline_created"]);
    const next = /<([^>]+)>; rel="next"/.exec(String(first.headers["link"]))?.[1] ?? "";
    const second = await get(next.replace("/api/v1/events", ""));
    expect(second.body.map(({ type }: { type: string }) => type)).toEqual(["ci.pipeline_started"]);
    expect(second.headers["link"]).toBeUndefined();
    expect((await get("/types?context=nothing")).body).toEqual([]);
  });

  test("ES-465 ES-434 one tells all about itself, with figures of the last day", async () => {
    failing = false;
    const ids = [await publish(created.create({ id: 1 })), await publish(created.create({ id: 2 }))];
    await expect
      .poll(async () => (await events.eventStore.why(ids[1] ?? ""))?.subscriptions[1]?.outcome)
      .toBe("delivered");
    await events.flush();
    const { body } = await get("/types/ci.pipeline_created");
    expect(body).toMatchObject({
      type: "ci.pipeline_created",
      context: "ci",
      version: 1,
      versions: [1],
      description: "A pipeline was made",
      owner: "ci",
      category: "delivery",
      sensitive: ["/token"],
      examples: [{ id: 1 }],
      fields: [
        { pointer: "/id", type: "integer", required: true, description: "Number of the pipeline" },
        { pointer: "/token", required: false },
      ],
      subscribers: [
        { subscriber: "a.fine", condition: null },
        { subscriber: "b.broken" },
        { subscriber: "d.picky", condition: expect.stringContaining("id > 1") },
      ],
    });
    expect(body.published_24h).toBeGreaterThanOrEqual(2);
    expect(body.attempts_24h).toBeGreaterThanOrEqual(4);
    expect(body.failure_share).toBeLessThan(1);
    expect(body.handler_p95_s).toBeGreaterThanOrEqual(body.handler_p50_s);
  });

  test("a type names who published it: what the chain began with, and what was handled meanwhile", async () => {
    failing = false;
    const caller = `POST /pipelines/${ulid()}`;
    await publish(withContext({ meta: { caller_id: caller } }, () => created.create({ id: 1 })));
    const publishersOf = async (type: string) => {
      await events.flush();
      return (await get(`/types/${type}`)).body.publishers;
    };
    const published = { caller, published: 1 };
    await expect
      .poll(() => publishersOf("ci.pipeline_created"), { timeout: 30_000 })
      .toContainEqual({ ...published, handling: null });
    await expect
      .poll(() => publishersOf("ci.pipeline_started"), { timeout: 30_000 })
      .toContainEqual({ ...published, handling: "ci.pipeline_created" });
    await expect.poll(() => publishersOf("ci.keyed"), { timeout: 30_000 }).toEqual([]);
  });

  test("ES-465 an unknown one is 404", async () => {
    expect(await get("/types/ci.nothing")).toMatchObject({ status: 404, body: { code: "EVT_UNKNOWN_TYPE" } });
  });
});

describe("ES-466 schemas", () => {
  test("ES-466 are found at the address that envelopes name, with an entity tag", async () => {
    const answer = await get("/schemas/ci.pipeline_created/v1");
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/schema+json; charset=utf-8");
    expect(JSON.parse(answer.text)).toEqual(created.schema);
    const tag = String(answer.headers["etag"]);
    expect(tag).toMatch(/^"[0-9a-f]{32}"$/);
    for (const known of [tag, `"other", W/${tag}`, "*"]) {
      const again = await call("GET", "/schemas/ci.pipeline_created/v1", { headers: { "if-none-match": known } });
      expect([again.status, again.text]).toEqual([304, ""]);
    }
    const changed = await call("GET", "/schemas/ci.pipeline_created/v1", { headers: { "if-none-match": '"other"' } });
    expect(changed.status).toBe(200);
  });

  test.each(["/schemas/ci.pipeline_created/v2", "/schemas/ci.nothing/v1", "/schemas/ci.pipeline_started/v1"])(
    "ES-466 %s is unknown",
    async (unknown) => {
      expect(await get(unknown)).toMatchObject({ status: 404, body: { code: "EVT_UNKNOWN_TYPE" } });
    },
  );

  test("ES-466 those of older releases stay", async () => {
    const other = await openTestEvents(engine.url, (registry) => void registry.register(started));
    try {
      const older = defineEvent("ci.pipeline_started", { version: 1, schema: { type: "object", title: "the first" } });
      const bearer = await other.tokens.bearer(["events:read"]);
      const read = async (version: number) =>
        other.app.inject({ url: `/api/v1/events/schemas/ci.pipeline_started/v${version}`, headers: bearer });
      expect((await read(1)).statusCode).toBe(404);
      await other.schemas.remember([older]);
      expect((await read(1)).json()).toEqual(older.schema);
      expect((await read(2)).json()).toEqual(started.schema);
      const type = await other.app.inject({ url: "/api/v1/events/types/ci.pipeline_started", headers: bearer });
      expect(type.json()).toMatchObject({ version: 2, versions: [1, 2] });
    } finally {
      await other.close();
    }
  });
});

// Queues

describe("ES-467 subscribers", () => {
  test("say how they got on over the last hour", async () => {
    const work = async (subscriber: string) => (await get(`/subscriptions/${subscriber}`)).body.work;
    await expect.poll(async () => (await work("a.fine"))?.handled).toBeGreaterThan(0);
    const fine = await work("a.fine");
    expect(fine).toMatchObject({ retried: 0, dead: 0 });
    expect(fine.p95_s).toBeGreaterThan(0);
    const attempts = fine.per_two_minutes.reduce((sum: number, count: number) => sum + count, 0);
    expect(fine.per_two_minutes).toHaveLength(30);
    expect(attempts).toBe(fine.handled);
    expect(await work("c.stuck")).toMatchObject({ handled: 0, dead: 0 });
    await deadLetters(1);
    await expect.poll(async () => (await work("b.broken")).dead, { timeout: 10_000 }).toBeGreaterThan(0);
    // Its condition is never true.
    expect(await work("d.picky")).toMatchObject({ handled: 0, p50_s: null });
  });

  test("ES-467 are listed with options, depth and noise", async () => {
    const { body } = await get("/subscriptions?limit=2");
    expect(body.map(({ subscriber }: { subscriber: string }) => subscriber)).toEqual(["a.fine", "b.broken"]);
    expect(body[0]).toMatchObject({
      declared: true,
      paused: false,
      depth: { ready: 0, scheduled: 0, running: 0, blocked: 0 },
      subscriptions: [
        {
          id: "a.fine/ci.pipeline_created",
          event: "ci.pipeline_created",
          has_condition: false,
          options: { urgency: "low", timeoutMs: 300_000, retry: { maxAttempts: 25 } },
          noise: { advice: null },
        },
      ],
    });
  });

  test("ES-467 ES-184 ES-286 one shows what its keys wait for, and what its condition turns away", async () => {
    await publish(keyed.create({}));
    await expect
      .poll(async () => (await get("/subscriptions/c.stuck")).body.depth)
      .toMatchObject({ scheduled: 1, running: 0 });
    await publish(keyed.create({}));
    await publish(keyed.create({}));
    const { body } = await get("/subscriptions/c.stuck");
    expect(body.depth).toEqual({ ready: 0, scheduled: 1, running: 0, blocked: 2 });
    expect(body.blocked_keys).toEqual([
      {
        key: "one",
        waiting: 2,
        blocking: { delivery_id: expect.any(String), attempts: 1, due_at: expect.any(String) },
      },
    ]);
    await events.flush();
    const picky = await get("/subscriptions/d.picky");
    expect(picky.body.subscriptions[0].noise).toMatchObject({ condition_false_share: 1, runs: 0, ignored_share: null });
  });

  test("ES-467 an unknown one is 404", async () => {
    expect((await get("/subscriptions/nobody.here")).status).toBe(404);
  });

  test("ES-467 ES-431 the graph comes in three formats", async () => {
    const mermaid = await get("/graph?format=mermaid");
    expect(mermaid.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(mermaid.text).toContain("graph LR");
    expect(mermaid.text).toContain("subscriber_d__picky -. subscribe if .-> event_ci__pipeline_created");
    const json = await get("/graph");
    expect(json.body.events.map(({ type }: { type: string }) => type)).toEqual([
      "ci.keyed",
      "ci.pipeline_created",
      "ci.pipeline_started",
    ]);
    const markdown = await get("/graph?format=markdown");
    expect(Object.keys(markdown.body)).toEqual([
      "README.md",
      "ci.keyed.md",
      "ci.pipeline_created.md",
      "ci.pipeline_started.md",
    ]);
  });

  test("ES-474 ES-456 pausing, resuming and purging change the queue and are noted", async () => {
    expect((await call("POST", "/subscriptions/a.fine/pause")).status).toBe(204);
    expect((await get("/subscriptions/a.fine")).body.paused).toBe(true);
    await publish(created.create({ id: 5 }));
    expect((await get("/subscriptions/a.fine")).body.depth.ready).toBe(1);
    expect(await call("DELETE", "/subscriptions/a.fine/deliveries")).toMatchObject({
      status: 200,
      body: { removed: 1 },
    });
    expect((await call("POST", "/subscriptions/a.fine/resume")).status).toBe(204);
    expect((await get("/subscriptions/a.fine")).body).toMatchObject({ paused: false, depth: { ready: 0 } });
    const audit = await get("/dead/audit?limit=3");
    expect(audit.body).toMatchObject([
      { kind: "resume", subscriber: "a.fine", actor: "night shift" },
      { kind: "purge", subscriber: "a.fine", replayed: 1 },
      { kind: "pause", subscriber: "a.fine" },
    ]);
    expect((await call("POST", "/subscriptions/nobody.here/pause")).status).toBe(404);
  });
});

// Log

describe("ES-469 the dispatch log", () => {
  test("ES-469 tells publishes and attempts, newest first, page by page", async () => {
    const [letter = ""] = await deadLetters(1);
    const id = letter.slice(0, letter.indexOf("."));
    await events.flush();
    const { body } = await get(`/log?correlation_id=${id}`);
    expect(body.filter(({ kind }: { kind: string }) => kind === "published")).toMatchObject([
      {
        event_id: id,
        event_type: "ci.pipeline_created",
        decisions: [
          { subscription: "a.fine/ci.pipeline_created", decision: "dispatched", due_at: null },
          { subscription: "b.broken/ci.pipeline_created", decision: "dispatched" },
          { subscription: "d.picky/ci.pipeline_created", decision: "condition_false" },
        ],
      },
    ]);
    const dead = await get(`/log?settlement=dead&type=ci.pipeline_created&correlation_id=${id}`);
    expect(dead.body).toMatchObject([
      {
        kind: "attempt",
        subscription: "b.broken/ci.pipeline_created",
        attempt: 1,
        error: { class: "RangeError", code: "E_RANGE", message: expect.stringContaining("out of range") },
      },
    ]);
    const seen: string[] = [];
    for (let url = `/log?limit=1&correlation_id=${id}`; url !== ""; ) {
      const answer = await get(url);
      seen.push(...answer.body.map(({ kind, at }: { kind: string; at: string }) => `${at} ${kind}`));
      url = (/<([^>]+)>; rel="next"/.exec(String(answer.headers["link"]))?.[1] ?? "").replace("/api/v1/events", "");
    }
    expect(seen).toHaveLength(3);
    expect(seen).toEqual(seen.toSorted().toReversed());
  });

  test("ES-469 ES-284 why tells the whole story, without sensitive values unless they may be read", async () => {
    const [letter = ""] = await deadLetters(1);
    const id = letter.slice(0, letter.indexOf("."));
    const { body } = await get(`/why/${id}`, ["events:read"]);
    expect(body).toMatchObject({
      event: { id, type: "ci.pipeline_created", correlation_id: id },
      subscriptions: [
        { subscription: "a.fine/ci.pipeline_created" },
        {
          subscription: "b.broken/ci.pipeline_created",
          outcome: "dead",
          attempts: [{ attempt: 1, settlement: "dead", error: { code: "E_RANGE" } }],
          dead_letter: { id: letter, state: "dead", reason: "exhausted" },
        },
        { subscription: "d.picky/ci.pipeline_created", outcome: "condition_false", attempts: [] },
      ],
      envelope: { id, data: { token: "[redacted]" } },
      truncated: false,
      history: "read",
    });
    expect((await get(`/why/${id}`)).body.envelope.data.token).toBe("hunter2");
    failing = false;
    const parent = await publish(created.create({ id: 1 }));
    await expect
      .poll(async () => (await get(`/why/${parent}`)).body.children?.[0]?.event.type)
      .toBe("ci.pipeline_started");
  });

  test("ES-469 an unknown event is 404", async () => {
    expect(await get("/why/01JZ3V2M5T8Q4X9C7B6A1D0E2F")).toMatchObject({ status: 404, body: { code: "not_found" } });
  });

  test("ES-469 a cursor of another list is refused", async () => {
    const cursor = Buffer.from(JSON.stringify({ at: "no time", key: "x" })).toString("base64url");
    expect(await get(`/log?cursor=${cursor}`)).toMatchObject({ status: 400, body: { code: "invalid_cursor" } });
  });
});

// Dead letters

describe("ES-471 dead letters", () => {
  test("ES-471 ES-254 are listed, filtered, grouped and shown", async () => {
    const [first = "", second = ""] = await deadLetters(2);
    const { body } = await get("/dead?subscription=b.broken/ci.pipeline_created&state=dead&limit=2");
    expect(body.map(({ id }: { id: string }) => id)).toEqual([second, first]);
    expect(body[0]).toMatchObject({ reason: "exhausted", error: { code: "E_RANGE" }, replay_count: 0, note: null });
    const id = first.slice(0, first.indexOf("."));
    expect((await get(`/dead?correlation_id=${id}`)).body).toHaveLength(1);
    expect((await get("/dead?text=no+such+text")).body).toEqual([]);

    const groups = await get("/dead/groups?state=dead");
    expect(groups.body).toMatchObject([{ subscriptions: ["b.broken/ci.pipeline_created"], sample_id: second }]);
    expect(groups.body[0].count).toBeGreaterThanOrEqual(2);

    const shown = await get(`/dead/${path(first)}`, ["events:read"]);
    expect(shown.body).toMatchObject({
      id: first,
      event: { id, type: "dev.signalbox.ci.pipeline_created", data: { token: "[redacted]" } },
      attempts: [{ error: { class: "RangeError" } }],
    });
    expect((await get(`/dead/${path(first)}`)).body.event.data.token).toBe("hunter2");
    expect((await get("/dead/nothing")).status).toBe(404);
  });

  test("ES-471 walking the list meets every letter once while others arrive", async () => {
    await deadLetters(3);
    const seen: string[] = [];
    for (let url = "/dead?limit=2"; url !== ""; ) {
      const answer = await get(url);
      seen.push(...answer.body.map(({ id }: { id: string }) => id));
      if (seen.length === 2) await deadLetters(1);
      url = (/<([^>]+)>; rel="next"/.exec(String(answer.headers["link"]))?.[1] ?? "").replace("/api/v1/events", "");
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThanOrEqual(3);
  });
});

describe("ES-472 replays", () => {
  test("ES-472 a dry run says what would happen and changes nothing", async () => {
    const letters = await deadLetters(2);
    const answer = await call("POST", "/dead/replay", { body: { ids: letters, dryRun: true } });
    expect(answer).toMatchObject({ status: 200, body: { would_replay: 2, would_fail: [], over_limit: false } });
    expect((await events.eventStore.dead.get(letters[0] ?? ""))?.state).toBe("dead");
  });

  test("ES-472 ES-260 a replay has an id, under which its end can be seen, and who did it", async () => {
    const letters = await deadLetters(3);
    failing = false;
    const answer = await call("POST", "/dead/replay", { body: { ids: letters, ratePerSecond: 1_000 } });
    expect(answer.status).toBe(202);
    expect(answer.headers["location"]).toBe(`/api/v1/events/replays/${answer.body.id}`);
    const read = async () => (await get(`/replays/${answer.body.id}`, ["events:read"])).body;
    await expect.poll(read).toMatchObject({
      kind: "replay",
      actor: "night shift",
      selection: letters,
      state: "done",
      matched: 3,
      replayed: 3,
      resolved: 3,
      failed: 0,
      pending: 0,
      refused: 0,
      error: null,
    });
    expect((await get("/dead/audit?limit=1")).body).toMatchObject([{ id: answer.body.id }]);
  });

  test("ES-472 letters that fail again count as failed, also after another replay", async () => {
    const [letter = ""] = await deadLetters(1);
    const first = await call("POST", `/dead/${path(letter)}/replay`);
    expect(first.status).toBe(202);
    const read = async (id: string) => (await get(`/replays/${id}`)).body;
    await expect.poll(() => read(first.body.id)).toMatchObject({ resolved: 0, failed: 1, pending: 0 });
    failing = false;
    const second = await call("POST", `/dead/${path(letter)}/replay`);
    await expect.poll(() => read(second.body.id)).toMatchObject({ resolved: 1, failed: 0 });
    expect(await read(first.body.id)).toMatchObject({ resolved: 0, failed: 1 });
  });

  test("ES-472 a filter selects dead letters only", async () => {
    await deadLetters(2);
    failing = false;
    const filter = { subscription: "b.broken/ci.pipeline_created", text: "out of range" };
    const { body } = await call("POST", "/dead/replay", { body: { filter, ratePerSecond: 10_000, force: true } });
    await expect
      .poll(async () => (await get(`/replays/${body.id}`)).body)
      .toMatchObject({ state: "done", pending: 0, failed: 0 });
    expect((await get("/dead?state=dead&subscription=b.broken/ci.pipeline_created")).body).toEqual([]);
    const nothing = await call("POST", "/dead/replay", { body: { filter } });
    expect(nothing).toMatchObject({ status: 202, body: { state: "done", matched: 0, replayed: 0 } });
  });

  test("ES-472 what cannot be done is refused before anything is changed, and leaves no trace", async () => {
    const audit = async () => (await get("/dead/audit?limit=1")).body[0]?.id;
    const [letter = ""] = await deadLetters(1);
    const before = await audit();
    const replay = (body: object) => call("POST", "/dead/replay", { body });
    expect(await replay({})).toMatchObject({ status: 400, body: { code: "EVT_FILTER_EMPTY" } });
    expect(await replay({ filter: {} })).toMatchObject({ status: 400, body: { code: "EVT_FILTER_EMPTY" } });
    expect(await replay({ filter: { colour: "red" } })).toMatchObject({
      status: 400,
      body: { code: "invalid_parameter" },
    });
    expect(await replay({ ids: [letter], filter: { text: "x" } })).toMatchObject({
      status: 400,
      body: { code: "EVT_FILTER_INVALID" },
    });
    expect(await call("POST", "/dead/discard", { body: { reason: "why not" } })).toMatchObject({
      status: 400,
      body: { code: "EVT_FILTER_EMPTY" },
    });
    expect((await call("POST", "/dead/nothing/replay")).status).toBe(404);
    expect((await get("/replays/nothing")).status).toBe(404);
    expect(await audit()).toBe(before);

    expect(await call("POST", "/dead/discard", { body: { ids: [letter], reason: "of no use" } })).toMatchObject({
      status: 200,
      body: { kind: "discard", replayed: 1, reason: "of no use" },
    });
    expect((await get(`/dead/${path(letter)}`)).body).toMatchObject({ state: "discarded", note: "of no use" });
    const after = await audit();
    for (const refused of [replay({ ids: [letter] }), call("POST", `/dead/${path(letter)}/replay`)])
      expect(await refused).toMatchObject({ status: 409, body: { code: "EVT_DEAD_LETTER_STATE" } });
    expect(await audit()).toBe(after);
  });

  test("ES-472 a letter is replayed as often as allowed, then by force only", async () => {
    const [letter = ""] = await deadLetters(1);
    const dead = async () => (await events.eventStore.dead.get(letter))?.state;
    for (let count = 0; count < 2; count++) {
      await call("POST", `/dead/${path(letter)}/replay`);
      await expect.poll(dead).toBe("dead");
    }
    const worn = await call("POST", `/dead/${path(letter)}/replay`);
    expect(worn).toMatchObject({ status: 409, body: { code: "EVT_REPLAY_LIMIT" } });
    failing = false;
    expect((await call("POST", "/dead/replay", { body: { ids: [letter], force: true } })).status).toBe(202);
    await expect.poll(dead).toBe("resolved");
  });
});

// The stream

test("ES-474 changes of queues, dead letters and replays go out on the stream", async () => {
  const url = await events.app.listen({ host: "127.0.0.1", port: 0 });
  const abort = new AbortController();
  const response = await fetch(`${url}/api/v1/stream?topics=events.queues,events.dead,events.replays`, {
    headers: await events.tokens.bearer(["events:read"]),
    signal: abort.signal,
  });
  let text = "";
  const reading = (async () => {
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += chunk;
  })().catch(() => {});
  const data = (topic: string) =>
    [...text.matchAll(/event: (\S+)\ndata: (.*)\n/g)].flatMap(([, name, json]) =>
      name === topic ? [JSON.parse(json ?? "")] : [],
    );
  await expect.poll(() => data("ready")).toHaveLength(1);
  await call("POST", "/subscriptions/d.picky/pause");
  await expect
    .poll(() => data("events.queues"))
    .toContainEqual(expect.objectContaining({ subscriber: "d.picky", paused: true }));
  await call("POST", "/subscriptions/d.picky/resume");
  const [letter = ""] = await deadLetters(1);
  await expect
    .poll(() => data("events.dead"))
    .toContainEqual({ subscription: "b.broken/ci.pipeline_created", dead: expect.any(Number) });
  failing = false;
  const { body } = await call("POST", `/dead/${path(letter)}/replay`);
  await expect
    .poll(() => data("events.replays"))
    .toContainEqual(expect.objectContaining({ id: body.id, state: "done", resolved: 1 }));
  await call("POST", "/dead/replay", { body: { filter: { text: "out" }, force: true } });
  await expect
    .poll(() => data("events.dead").at(-1))
    .toEqual({ subscription: "b.broken/ci.pipeline_created", dead: 0 });
  abort.abort();
  await reading;
});

// Access

describe("ES-475 access", () => {
  const readable = [
    "/types",
    "/types/ci.pipeline_created",
    "/schemas/ci.pipeline_created/v1",
    "/subscriptions",
    "/subscriptions/a.fine",
    "/graph",
    "/log",
    "/why/x",
    "/dead",
    "/dead/groups",
    "/dead/audit",
    "/dead/x",
    "/replays/x",
  ];
  const writable = [
    ["POST", "/dead/replay"],
    ["POST", "/dead/x/replay"],
    ["POST", "/dead/discard"],
    ["POST", "/subscriptions/a.fine/pause"],
    ["POST", "/subscriptions/a.fine/resume"],
    ["DELETE", "/subscriptions/a.fine/deliveries"],
  ] as const;

  test.each(readable)("ES-475 reading %s needs events:read", async (route) => {
    expect((await call("GET", route, { scopes: null })).status).toBe(401);
    const refused = await call("GET", route, { scopes: ["errors:read"] });
    expect(refused).toMatchObject({ status: 403, body: { code: "insufficient_scope" } });
    expect(refused.body.detail).toContain("events:read");
    expect([200, 404]).toContain((await call("GET", route, { scopes: ["events:read"] })).status);
  });

  test.each(writable)("ES-475 %s %s needs events:admin", async (method, route) => {
    expect((await call(method, route, { scopes: null })).status).toBe(401);
    const refused = await call(method, route, { scopes: ["events:read"] });
    expect(refused.status).toBe(403);
    expect(refused.body.detail).toContain("events:admin");
  });

  test.each(readable)("ES-475 %s refuses a query key that it does not know, by name", async (route) => {
    const answer = await get(`${route}?colour=red&limti=1`);
    expect(answer).toMatchObject({ status: 400, body: { code: "EVT_FILTER_INVALID" } });
    expect(answer.body.detail).toContain('"colour"');
    expect(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      "/query/colour",
      "/query/limti",
    ]);
  });

  test("ES-475 the nearest known key is named", async () => {
    expect((await get("/dead?subscrption=x")).body.detail).toContain("Did you mean subscription?");
    expect(await get("/log?decision=maybe")).toMatchObject({ status: 400, body: { code: "invalid_parameter" } });
  });

  test("ES-475 nothing can be published", async () => {
    for (const method of ["POST", "PUT"] as const)
      for (const route of ["", "/types", "/types/ci.pipeline_created", "/log", "/publish"])
        expect([404, 405]).toContain((await call(method, route, { body: { data: {} } })).status);
  });
});

test("PF-045 every route is documented", async () => {
  const document = (await events.app.inject({ url: "/openapi.json" })).json();
  expect(findUndocumented(document)).toEqual([]);
  expect(Object.keys(document.paths).filter((name) => name.startsWith("/api/v1/events")).length).toBeGreaterThan(15);
});
