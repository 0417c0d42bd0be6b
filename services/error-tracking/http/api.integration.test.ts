import { createHttpServer, findUndocumented, HttpProblem, type Principal, type Scope } from "@signalbox/http";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import type { JsonObject } from "@signalbox/sentry-protocol";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDigest, type Digest } from "../digest/digest.js";
import { digestErrors } from "../digest/digest-errors.js";
import { ruleErrors } from "../grouping/rule-errors.js";
import { issueErrors } from "../issues/issue-errors.js";
import { readErrors } from "../issues/read-errors.js";
import { projectErrors } from "../projects/project-errors.js";
import { queryErrors } from "../search/query-error.js";
import { noLetters } from "../testing/api-kit.js";
import { emptyQueue } from "../testing/digest.js";
import { errorPayload, newEventId, receivedEvent, type SampleOptions } from "../testing/received-event.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics, type TestDatabase } from "../testing/stores.js";
import { createApi } from "./api.js";

let engine: ClickHouseHttpServer;
let analytics: TestAnalytics;
let stores: TestDatabase;
let digest: Digest;
let app: FastifyInstance;
const published: string[] = [];

beforeAll(async () => {
  engine = await startClickHouseHttp();
  analytics = await openTestAnalytics(engine.url);
  stores = await openTestDatabase();
  const publisher = () => ({
    publish: async (event: { readonly type: string }) => void published.push(event.type),
  });
  digest = createDigest({
    database: stores.database,
    analytics: analytics.analytics,
    publisher,
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
    retentionDays: 90,
    dedupDays: 7,
    groupingVersion: 1,
    keepPerHour: 10_000,
  });
  app = await createHttpServer({
    authenticator,
    rateLimits: false,
    openApi: {
      title: "test",
      version: "1",
      catalogues: [projectErrors, readErrors, digestErrors, issueErrors, queryErrors, ruleErrors],
    },
  });
  await app.register(
    createApi({
      database: stores.database,
      analytics: analytics.analytics,
      projects: stores.projects,
      clock: systemClock,
      publisher,
      defaults: { retentionDays: 90, groupingVersion: 1 },
      queue: () => emptyQueue,
      letters: () => noLetters,
      serverUrl: () => "https://signalbox.example",
    }),
  );
  await app.ready();
});

afterAll(async () => {
  await app?.close();
  await stores?.close();
  await analytics?.close();
  await engine?.stop();
});

/** A project of its own for each test. */
async function newProject(): Promise<number> {
  return (await stores.projects.create("Shop")).id;
}

async function store(projectId: number, ...events: readonly [JsonObject, SampleOptions?][]): Promise<void> {
  const messages = events.map(([payload, options]) => receivedEvent(payload, { projectId, ...options }));
  const context = { signal: new AbortController().signal, forEvent: <T>(_: unknown, work: () => Promise<T>) => work() };
  const result = await digest.handle(messages, context);
  expect(result.failed).toEqual([]);
}

const at = (timeMs: number): JsonObject => ({ timestamp: timeMs / 1000 });

interface ErrorBody {
  readonly fingerprint: number;
  readonly name: string;
  readonly event_count: number;
  readonly approximated_user_count: number;
  readonly last_seen_at: string;
  readonly first_seen_at: string;
  readonly status: string;
  readonly stats: { readonly frequency: Readonly<Record<string, [number, number][]>> };
}

async function get(url: string, token = "all") {
  return app.inject({ url, headers: { authorization: `Bearer ${token}` } });
}

async function errors(projectId: number, query = ""): Promise<ErrorBody[]> {
  const answer = await get(`/api/v1/projects/${projectId}/errors${query}`);
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json();
}

async function put(url: string, body: object, token = "all") {
  return app.inject({ method: "PUT", url, headers: { authorization: `Bearer ${token}` }, payload: body });
}

describe("list of errors", () => {
  test("ET-320 ET-326 has the fields, exact counts and users, on both base paths", async () => {
    const project = await newProject();
    const lastMs = Date.now();
    await store(
      project,
      [{ ...errorPayload("pay", { user: { id: 1 } }), ...at(lastMs - 60_000) }],
      [{ ...errorPayload("pay", { user: { id: 2 } }), ...at(lastMs) }],
      [{ ...errorPayload("pay", { user: { id: 1 } }), ...at(lastMs - 120_000) }],
    );
    const [error] = await errors(project);
    expect(error).toMatchObject({
      fingerprint: expect.any(Number),
      project_id: project,
      name: "ValueError",
      description: "pay failed",
      actor: "pay(app.work)",
      event_count: 3,
      approximated_user_count: 2,
      last_seen_at: new Date(lastMs).toISOString(),
      first_seen_at: new Date(lastMs - 120_000).toISOString(),
      status: "unresolved",
      title: "ValueError: pay failed",
      short_id: expect.stringMatching(/^SHOP(-\d+)?-1$/),
    });
    const other = await get(`/errortracking/api/v1/projects/${project}/errors`);
    expect(other.json()).toEqual([error]);
  });

  test("ET-320 sorts by last seen, first seen and frequency", async () => {
    const project = await newProject();
    const nowMs = Date.now();
    await store(
      project,
      [{ ...errorPayload("a"), ...at(nowMs - 1000) }],
      [{ ...errorPayload("b"), ...at(nowMs - 3000) }],
      [{ ...errorPayload("b"), ...at(nowMs - 2000) }],
      [{ ...errorPayload("c"), ...at(nowMs - 9000) }],
      [{ ...errorPayload("c"), ...at(nowMs - 500) }],
      [{ ...errorPayload("c"), ...at(nowMs - 700) }],
    );
    const names = async (sort: string) => (await errors(project, sort)).map((error) => `${error.event_count}`);
    expect(await names("")).toEqual(["3", "1", "2"]);
    expect(await names("?sort=last_seen_desc")).toEqual(["3", "1", "2"]);
    expect(await names("?sort=first_seen_desc")).toEqual(["1", "2", "3"]);
    expect(await names("?sort=frequency_desc")).toEqual(["3", "2", "1"]);
  });

  test("ET-320 filters by status, words and the time within which errors were seen", async () => {
    const project = await newProject();
    const nowMs = Date.now();
    await store(
      project,
      [{ ...errorPayload("new"), ...at(nowMs) }],
      [{ ...errorPayload("old"), ...at(nowMs - 20 * 86_400_000) }],
      [{ ...errorPayload("100%_sure"), ...at(nowMs - 5 * 3_600_000) }],
    );
    const titles = async (query: string) =>
      (await errors(project, query)).map((error) => String(Object(error).description));
    expect(await titles("")).toEqual(["new failed", "100%_sure failed", "old failed"]);
    expect(await titles("?query_period=14d")).toEqual(["new failed", "100%_sure failed"]);
    expect(await titles("?query_period=1h")).toEqual(["new failed"]);
    expect(await titles("?query=FAILED+old")).toEqual(["old failed"]);
    expect(await titles("?query=%25_s")).toEqual(["100%_sure failed"]);
    expect(await titles("?query=nothing")).toEqual([]);
    expect(await titles("?status=resolved")).toEqual([]);
    const [error] = await errors(project);
    await put(`/api/v1/projects/${project}/errors/${error?.fingerprint}`, { status: "ignored" });
    expect(await titles("")).toEqual(["100%_sure failed", "old failed"]);
    expect(await titles("?status=ignored")).toEqual(["new failed"]);
  });

  test.each([
    ["15m", 15, 60],
    ["30m", 30, 60],
    ["1h", 60, 60],
    ["24h", 24, 3600],
    ["7d", 168, 3600],
    ["14d", 14, 86_400],
    ["30d", 30, 86_400],
  ])(
    "ET-326 stats_period %s has %i buckets of %i s, zeros included, oldest first",
    async (period, buckets, bucketS) => {
      const project = await newProject();
      const nowMs = Date.now();
      const beforeMs = 3 * bucketS * 1000;
      await store(
        project,
        [{ ...errorPayload("a"), ...at(nowMs) }],
        [{ ...errorPayload("a"), ...at(nowMs - beforeMs) }],
        [{ ...errorPayload("a"), ...at(nowMs - beforeMs) }],
      );
      const [error] = await errors(project, `?stats_period=${period}`);
      const frequency = error?.stats.frequency[period] ?? [];
      expect(Object.keys(error?.stats.frequency ?? {})).toEqual([period]);
      expect(frequency).toHaveLength(buckets);
      const starts = frequency.map(([startS]) => startS);
      expect(starts).toEqual(Array.from({ length: buckets }, (_, index) => (starts[0] ?? 0) + index * bucketS));
      const eventsAt = (timeMs: number) =>
        frequency.find(([startS]) => startS === Math.floor(timeMs / 1000 / bucketS) * bucketS)?.[1];
      expect(eventsAt(nowMs)).toBe(1);
      expect(eventsAt(nowMs - beforeMs)).toBe(2);
      expect(frequency.reduce((sum, [, events]) => sum + events, 0)).toBe(3);
    },
  );

  test("ET-320 a page has 20 errors unless limit says otherwise", async () => {
    const project = await newProject();
    await store(project, ...Array.from({ length: 25 }, (_, index): [JsonObject] => [errorPayload(`e${index}`)]));
    expect(await errors(project)).toHaveLength(20);
    expect(await errors(project, "?limit=100")).toHaveLength(25);
    expect(await errors(project, "?limit=1")).toHaveLength(1);
  });
});

describe("paging", () => {
  const nextOf = (link: unknown) => /<([^>]+)>; rel="next"/.exec(String(link))?.[1];
  const prevOf = (link: unknown) => /<([^>]+)>; rel="prev"/.exec(String(link))?.[1];

  /** Walks all pages, and does something between two of them. */
  async function walk(url: string, between: (page: number) => Promise<void> = async () => {}): Promise<number[][]> {
    const pages: number[][] = [];
    for (let next: string | undefined = url; next !== undefined; ) {
      const answer = await get(next);
      expect(answer.statusCode, answer.body).toBe(200);
      const body: { fingerprint: number; event_id?: string }[] = answer.json();
      pages.push(body.map((item) => item.fingerprint));
      next = nextOf(answer.headers["link"]);
      await between(pages.length);
    }
    return pages;
  }

  test("ET-328 the Link header keeps the other parameters and never ends with the cursor; the last page has no next", async () => {
    const project = await newProject();
    await store(project, ...["a", "b", "c"].map((name): [JsonObject] => [errorPayload(name)]));
    const first = await get(`/api/v1/projects/${project}/errors?limit=2&sort=first_seen_desc&stats_period=1h`);
    expect(first.headers["link"]).toMatch(
      /^<\/api\/v1\/projects\/\d+\/errors\?sort=first_seen_desc&stats_period=1h&cursor=[\w-]+&limit=2>; rel="next"$/,
    );
    const last = await get(nextOf(first.headers["link"]) ?? "");
    expect(last.json()).toHaveLength(1);
    expect(nextOf(last.headers["link"])).toBeUndefined();
    const back = await get(prevOf(last.headers["link"]) ?? "");
    expect(back.json()).toEqual(first.json());
    expect(prevOf(back.headers["link"])).toBeUndefined();
    expect(nextOf(back.headers["link"])).toBeDefined();
    expect((await get(nextOf(back.headers["link"]) ?? "")).json()).toEqual(last.json());
  });

  test.each(["last_seen_desc", "first_seen_desc", "frequency_desc"])(
    "ET-328 walking by %s meets every error once while new ones arrive and old ones are seen again",
    async (sort) => {
      const project = await newProject();
      const startMs = Date.now() - 3_600_000;
      const names = Array.from({ length: 30 }, (_, index) => `e${index}`);
      await store(
        project,
        ...names.map((name, index): [JsonObject] => [{ ...errorPayload(name), ...at(startMs + index * 1000) }]),
      );
      const known = new Set((await errors(project, "?limit=100")).map((error) => error.fingerprint));
      const pages = await walk(`/api/v1/projects/${project}/errors?limit=4&sort=${sort}`, async (page) => {
        const again = names.filter((_, index) => (index * 7 + page * 11) % 3 === 0);
        if (page > 1) await store(project, [{ ...errorPayload(`new ${page - 1}`), ...at(Date.now()) }]);
        await store(
          project,
          // Made in the middle of the list, and seen again while it is walked.
          [{ ...errorPayload(`new ${page}`), ...at(startMs + page * 1500) }],
          // Some are seen with a time before all others, so that they move down, too.
          ...again.map((name, index): [JsonObject] => [
            { ...errorPayload(name), ...at(index % 2 === 0 ? Date.now() : startMs - page * 60_000) },
          ]),
        );
      });
      const met = pages.flat();
      expect(met).toHaveLength(30);
      expect(new Set(met)).toEqual(known);
    },
  );

  test("ET-328 walking back from the last page meets the same pages", async () => {
    const project = await newProject();
    await store(project, ...Array.from({ length: 9 }, (_, index): [JsonObject] => [errorPayload(`e${index}`)]));
    const url = `/api/v1/projects/${project}/errors?limit=2`;
    const forwards = await walk(url);
    let at = url;
    for (let next: string | undefined = url; next !== undefined; next = nextOf((await get(next)).headers["link"]))
      at = next;
    const backwards: number[][] = [];
    for (let previous: string | undefined = at; previous !== undefined; ) {
      const answer = await get(previous);
      backwards.unshift(answer.json().map((item: { fingerprint: number }) => item.fingerprint));
      previous = prevOf(answer.headers["link"]);
      await store(project, [errorPayload(`e${backwards.length}`)]);
    }
    expect(backwards).toEqual(forwards);
  });

  test("ET-323 ET-328 the events of an error are walked in both orders while new ones arrive", async () => {
    const project = await newProject();
    const startMs = Date.now() - 600_000;
    const ids = Array.from({ length: 11 }, () => newEventId());
    // Several events at one time: their id decides.
    await store(
      project,
      ...ids.map((eventId, index): [JsonObject, SampleOptions] => [
        { ...errorPayload("a"), ...at(startMs + Math.floor(index / 3) * 1000) },
        { eventId },
      ]),
    );
    const [error] = await errors(project);
    for (const sort of ["occurred_at_asc", "occurred_at_desc"]) {
      const met: { event_id: string; occurred_at: string }[] = [];
      const last: string[] = [];
      for (
        let next: string | undefined =
          `/api/v1/projects/${project}/errors/${error?.fingerprint}/events?limit=3&sort=${sort}`;
        next;
      ) {
        const answer = await get(next);
        met.push(...answer.json());
        last.push(String(answer.headers["link"]));
        next = nextOf(answer.headers["link"]);
        // Newer than all others: before the first or after the last.
        if (sort === "occurred_at_desc") await store(project, [{ ...errorPayload("a"), ...at(Date.now()) }]);
      }
      expect(met.map((event) => event.event_id).sort()).toEqual([...ids].sort());
      const times = met.map((event) => event.occurred_at);
      expect(times).toEqual(sort === "occurred_at_asc" ? times.toSorted() : times.toSorted().toReversed());
      expect(last.at(-1)).not.toContain('rel="next"');
    }
  });
});

describe("one error", () => {
  test("ET-321 is shown by its number", async () => {
    const project = await newProject();
    await store(project, [errorPayload("a")]);
    const [error] = await errors(project);
    const answer = await get(`/api/v1/projects/${project}/errors/${error?.fingerprint}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual(error);
    const gitlab = await get(`/errortracking/api/v1/projects/${project}/errors/${error?.fingerprint}`);
    expect(gitlab.json()).toEqual(error);
  });

  test("ET-322 its status is changed, once, with activity and an event", async () => {
    const project = await newProject();
    await store(project, [errorPayload("a")]);
    const [error] = await errors(project);
    const url = `/errortracking/api/v1/projects/${project}/errors/${error?.fingerprint}`;
    const before = published.length;
    const answer = await put(url, { status: "resolved", updated_by_id: 7 });
    expect(answer.statusCode, answer.body).toBe(200);
    const resolved = { status: "resolved", substatus: null, resolution: { kind: "now" } };
    expect(answer.json()).toEqual({ ...error, ...resolved });
    await put(url, { status: "resolved", updated_by_id: 7 });
    expect(published.slice(before)).toEqual(["error_tracking.issue_resolved"]);
    const activity = await stores.database.run("select actor, kind, detail from error_activity where project_id = ?", [
      project,
    ]);
    expect(activity.rows).toEqual([
      {
        actor: "tester",
        kind: "status",
        detail: expect.stringContaining('"before":"unresolved","after":"resolved","updated_by_id":7'),
      },
    ]);
    const unresolved = { ...error, substatus: "ongoing" };
    expect((await put(url, { status: "unresolved" })).json()).toEqual(unresolved);
    expect((await put(url, { status: "closed" })).statusCode).toBe(400);
    expect((await put(url, { updated_by_id: 7 })).statusCode).toBe(400);
    expect((await get(url)).json()).toEqual(unresolved);
  });

  test("ET-323 ET-326 its events carry their payload as JSON text, frames with their source lines in it", async () => {
    const project = await newProject();
    const eventId = newEventId();
    const timeMs = Date.now() - 5000;
    await store(project, [
      { ...errorPayload("a", { environment: "staging", odd_key: { kept: true } }), ...at(timeMs) },
      { eventId },
    ]);
    const [error] = await errors(project);
    const list = await get(`/errortracking/api/v1/projects/${project}/errors/${error?.fingerprint}/events`);
    expect(list.statusCode, list.body).toBe(200);
    const [event] = list.json();
    expect(event).toEqual({
      fingerprint: error?.fingerprint,
      project_id: project,
      payload: expect.any(String),
      name: "ValueError",
      description: "a failed",
      actor: "a(app.work)",
      environment: "staging",
      platform: "python",
      event_id: eventId,
      occurred_at: new Date(timeMs).toISOString(),
    });
    const payload = JSON.parse(event.payload);
    expect(payload.odd_key).toEqual({ kept: true });
    expect(payload.exception.values[0].stacktrace.frames[1]).toMatchObject({
      pre_context: ["def work():", "  check()"],
      context_line: "  a()",
      post_context: ["  done()"],
    });
  });

  test("the latest, the oldest and any single event are found", async () => {
    const project = await newProject();
    const nowMs = Date.now();
    const ids = Array.from({ length: 3 }, () => newEventId());
    await store(
      project,
      ...ids.map((eventId, index): [JsonObject, SampleOptions] => [
        { ...errorPayload("a"), ...at(nowMs - index * 1000) },
        { eventId },
      ]),
    );
    const [error] = await errors(project);
    const event = (which: string) => get(`/api/v1/projects/${project}/errors/${error?.fingerprint}/events/${which}`);
    expect((await event("latest")).json()).toMatchObject({ event_id: ids[0] });
    expect((await event("oldest")).json()).toMatchObject({ event_id: ids[2] });
    expect((await event(String(ids[1]))).json()).toMatchObject({ event_id: ids[1] });
    expect((await event(newEventId())).statusCode).toBe(404);
    expect((await event("first")).statusCode).toBe(400);
  });
});

describe("refusals", () => {
  test.each([
    ["sort=upwards", "/query/sort"],
    ["status=closed", "/query/status"],
    ["limit=0", "/query/limit"],
    ["limit=101", "/query/limit"],
    ["limit=many", "/query/limit"],
    ["stats_period=2h", "/query/stats_period"],
    ["query_period=1y", "/query/query_period"],
    ["cursor=%21", "/query/cursor"],
    ["cursor=WzFd", "/query/cursor"],
    ["query=a%00b", "/query/query"],
    ["to=2026-01-01T00:00:00Z", "/query/to"],
  ])("ET-327 ?%s is a 400 that points to %s", async (query, pointer) => {
    const answer = await get(`/api/v1/projects/1/errors?${query}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.headers["content-type"]).toContain("application/problem+json");
    expect(answer.json().errors).toMatchObject([{ pointer }]);
  });

  test("ET-327 a text with U+0000 is a fault of the request, wherever it stands", async () => {
    const project = await newProject();
    await store(project, [errorPayload("a")]);
    const [error] = await errors(project);
    const url = `/api/v1/projects/${project}/errors/${error?.fingerprint}`;
    const call = async (method: "GET" | "POST" | "PATCH", path: string, payload?: object) => {
      const headers = { authorization: "Bearer all" };
      const answer = await app.inject({ method, url: path, headers, ...(payload ? { payload } : {}) });
      return [answer.statusCode, answer.json().errors?.[0]?.pointer];
    };
    expect(await call("POST", `${url}/comments`, { text: "a\0b" })).toEqual([400, "/text"]);
    expect(await call("PATCH", url, { assigned_to: "a\0" })).toEqual([400, "/assigned_to"]);
    expect(
      await call("POST", `/api/v1/projects/${project}/releases`, {
        version: "1",
        commits: [{ id: "0123abc", message: "\0" }],
      }),
    ).toEqual([400, "/commits/0/message"]);
    expect(await call("GET", `${url}/tags/a%00`)).toEqual([400, "/params/key"]);
  });

  test("ET-327 cursors of events and limits of events are checked, too", async () => {
    const project = await newProject();
    await store(project, [errorPayload("a")]);
    const [error] = await errors(project);
    const url = `/api/v1/projects/${project}/errors/${error?.fingerprint}/events`;
    for (const query of ["cursor=WzFd", "limit=0", "sort=last_seen_desc"])
      expect((await get(`${url}?${query}`)).statusCode).toBe(400);
  });

  test("ET-327 unknown projects and errors, errors of another project, and projects beyond the token are alike 404", async () => {
    const project = await newProject();
    const other = await newProject();
    await store(project, [errorPayload("a")]);
    const [error] = await errors(project);
    const latest = (await get(`/api/v1/projects/${project}/errors/${error?.fingerprint}/events/latest`)).json();
    const paths = (projectId: number, fingerprint: unknown) => [
      `/projects/${projectId}/errors/${fingerprint}`,
      `/projects/${projectId}/errors/${fingerprint}/events`,
      `/projects/${projectId}/errors/${fingerprint}/events/latest`,
      `/projects/${projectId}/errors/${fingerprint}/events/${latest.event_id}`,
    ];
    for (const path of [
      ...paths(project, 999_999),
      ...paths(other, error?.fingerprint),
      ...paths(999_999, error?.fingerprint),
    ])
      expect((await get(`/api/v1${path}`)).statusCode, path).toBe(404);
    for (const path of [`/projects/${project}`, `/projects/${project}/errors`, ...paths(project, error?.fingerprint)]) {
      const narrowed = await get(`/api/v1${path}`, `only ${other}`);
      const unknown = await get(`/api/v1${path.replace(`/projects/${project}`, "/projects/999999")}`);
      expect(narrowed.statusCode, path).toBe(404);
      const { instance: _, correlation_id: __, ...problem } = narrowed.json();
      expect(unknown.json()).toMatchObject(problem);
    }
    const change = { status: "resolved" };
    expect(
      (await put(`/api/v1/projects/${project}/errors/${error?.fingerprint}`, change, `only ${other}`)).statusCode,
    ).toBe(404);
    expect((await put(`/api/v1/projects/${other}/errors/${error?.fingerprint}`, change)).statusCode).toBe(404);
    expect((await errors(project))[0]?.status).toBe("unresolved");
    expect((await get(`/api/v1/projects/${project}/errors`, `only ${project}`)).statusCode).toBe(200);
  });

  test("reading needs errors:read, writing errors:write", async () => {
    const project = await newProject();
    await store(project, [errorPayload("a")]);
    const [error] = await errors(project);
    const url = `/api/v1/projects/${project}/errors/${error?.fingerprint}`;
    expect((await app.inject({ url })).statusCode).toBe(401);
    expect((await get(url, "write")).statusCode).toBe(403);
    expect((await put(url, { status: "ignored" }, "read")).statusCode).toBe(403);
    expect((await put(url, { status: "ignored" }, "write")).statusCode).toBe(200);
    expect((await get(url, "read")).statusCode).toBe(200);
  });
});

describe("projects", () => {
  test("are listed as far as the token sees, made, and shown with their DSN", async () => {
    const made = await app.inject({
      method: "POST",
      url: "/api/v1/projects",
      headers: { authorization: "Bearer all" },
      payload: { name: "Billing" },
    });
    expect(made.statusCode, made.body).toBe(201);
    const project = made.json();
    expect(project).toMatchObject({ name: "Billing", slug: "billing", dsn: expect.stringContaining(`/${project.id}`) });
    const list = (await get("/api/v1/projects")).json();
    expect(list).toContainEqual(project);
    expect((await get("/api/v1/projects", `only ${project.id}`)).json()).toEqual([project]);
    expect((await get(`/api/v1/projects/${project.id}`)).json()).toMatchObject(project);
  });

  test("a token that is narrowed, or may only read, makes none", async () => {
    for (const token of ["read", "narrow-admin"]) {
      const answer = await app.inject({
        method: "POST",
        url: "/api/v1/projects",
        headers: { authorization: `Bearer ${token}` },
        payload: { name: "Billing" },
      });
      expect(answer.statusCode).toBe(403);
    }
  });
});

test("PF-045 every route is documented", async () => {
  const answer = await app.inject("/openapi.json");
  expect(findUndocumented(answer.json())).toEqual([]);
});

test("PF-063 while the analytics engine is away, what needs it answers 503 with Retry-After and the rest goes on", async () => {
  const project = await newProject();
  await store(project, [errorPayload("a")]);
  const [error] = await errors(project);
  const url = `/api/v1/projects/${project}/errors/${error?.fingerprint}`;
  await engine.kill();
  for (const path of [`${url}/events`, `${url}/events/latest`]) {
    const answer = await get(path);
    expect(answer.statusCode, path).toBe(503);
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    expect(answer.headers["content-type"]).toContain("application/problem+json");
  }
  expect(await errors(project)).toEqual([error]);
  expect((await get(url)).statusCode).toBe(200);
  expect((await put(url, { status: "resolved" })).statusCode).toBe(200);
  await engine.restart();
  await expect.poll(async () => (await get(`${url}/events/latest`)).statusCode, { timeout: 20_000 }).toBe(200);
});

const authenticator = {
  async authenticate(token: string | undefined): Promise<Principal> {
    const principal = (scopes: Scope[], projects?: number[]): Principal => ({
      subject: "tester",
      issuer: "test",
      scopes: new Set(scopes),
      tokenId: token ?? "",
      expiresAtMs: Date.now() + 60_000,
      ...(projects ? { projects } : {}),
    });
    if (token === "all") return principal(["admin"]);
    if (token === "read") return principal(["errors:read"]);
    if (token === "write") return principal(["errors:write"]);
    if (token === "narrow-admin") return principal(["errors:admin"], [1]);
    if (token?.startsWith("only ")) return principal(["errors:read", "errors:write"], [Number(token.slice(5))]);
    throw new HttpProblem("missing_token");
  },
  isVerified: () => true,
};
