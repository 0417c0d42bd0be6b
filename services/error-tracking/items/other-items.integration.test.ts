import { createVirtualClock, systemClock } from "@signalbox/kernel";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type FullServer, startFullServer } from "../testing/full-server.js";
import { envelope } from "../testing/ingest-server.js";
import { errorPayload } from "../testing/received-event.js";
import { createOrphanCollector } from "../upkeep/collect-orphans.js";
import { removeExpired } from "../upkeep/retention.js";

let engine: ClickHouseHttpServer;
let server: FullServer;

beforeAll(async () => {
  engine = await startClickHouseHttp();
});
afterAll(() => engine?.stop());
beforeEach(async () => {
  server = await startFullServer({ analyticsUrl: engine.url });
});
afterEach(() => server.close());

const id = (digit: string): string => digit.repeat(32);
const errors = (path: string): string => `/api/v1/projects/${server.projectId}/errors${path}`;

async function send(body: Buffer): Promise<void> {
  const response = await fetch(server.ingest("/envelope/"), { method: "POST", body });
  expect(response.status).toBe(200);
}

const attachment = (name: string, content: string, more: object = {}) =>
  [{ type: "attachment", filename: name, ...more }, content] as const;
const errorEvent = (name: string, more: object = {}) =>
  [{ type: "event" }, { ...errorPayload(name), ...more }] as const;

const blobKeys = async (): Promise<string[]> => {
  const keys: string[] = [];
  for await (const key of server.blobs.list("error-attachments/")) keys.push(key);
  return keys;
};

describe("attachments", () => {
  test("ET-161 attachments of an event are listed and downloaded as what they are: bytes of strangers", async () => {
    const html = "<script>alert(document.domain)</script>";
    await send(
      envelope(
        { event_id: id("a") },
        errorEvent("checkout"),
        attachment("../../pwn\r\nX: y.html", html, { content_type: "text/html" }),
        attachment("bild ä.png", "png", { content_type: "image/png", attachment_type: "event.view_hierarchy" }),
      ),
    );
    await server.settled();
    const list = await server.call("GET", errors(`/events/${id("a")}/attachments`));
    expect(list.json).toMatchObject([
      { n: 1, bytes: html.length, content_type: "text/html", attachment_type: null },
      { n: 2, name: "bild ä.png", attachment_type: "event.view_hierarchy" },
    ]);
    const first = await server.call("GET", errors(`/events/${id("a")}/attachments/1`));
    expect({ status: first.status, text: first.text }).toEqual({ status: 200, text: html });
    expect(Object.fromEntries(first.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": String(html.length),
      "content-disposition": `attachment; filename="pwnX_ y.html"; filename*=UTF-8''pwnX%3A%20y.html`,
      "content-security-policy": "default-src 'none'; sandbox",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
    });
    const second = await server.call("GET", errors(`/events/${id("a")}/attachments/2`));
    expect(second.headers.get("content-type")).toBe("image/png");
    expect(second.headers.get("content-disposition")).toContain("filename*=UTF-8''bild%20%C3%A4.png");
  });

  test("ET-161 ET-006 attachments of an event that never came can be read; nobody else's can", async () => {
    const data = new FormData();
    data.set("log", new Blob(["hello"]), "log.txt");
    const sent = await fetch(server.ingest(`/events/${id("b")}/attachments/`), { method: "POST", body: data });
    expect(sent.status).toBe(201);
    await server.settled();
    const path = errors(`/events/${id("b")}/attachments`);
    expect((await server.call("GET", path)).json).toMatchObject([{ n: 1, name: "log.txt", bytes: 5 }]);
    expect((await server.call("GET", `${path}/2`)).json.code).toBe("ET_ATTACHMENT_NOT_FOUND");
    expect((await server.call("GET", errors(`/events/${id("c")}/attachments`))).json).toEqual([]);
    const foreign = `only ${server.projectId + 1}`;
    for (const tail of ["", "/1"]) expect((await server.call("GET", path + tail, undefined, foreign)).status).toBe(404);
    const other = await server.errorTracking.projects.create("Other");
    const elsewhere = `/api/v1/projects/${other.id}/errors/events/${id("b")}/attachments`;
    expect((await server.call("GET", elsewhere)).json).toEqual([]);
    expect((await server.call("GET", `${elsewhere}/1`)).status).toBe(404);
  });

  test("ET-161 attachments and feedback go with their event, their issue and their project", async () => {
    for (const [digit, name] of [
      ["a", "checkout"],
      ["b", "checkout"],
      ["c", "search"],
      ["d", "pay"],
    ] as const)
      await send(
        envelope({ event_id: id(digit) }, errorEvent(name), attachment("x", name), [
          { type: "user_report" },
          { event_id: id(digit), comments: `${name} ${digit}` },
        ]),
      );
    await server.settled();
    expect(await blobKeys()).toHaveLength(4);
    const issues = (await server.call("GET", errors("?limit=10"))).json;
    const fingerprintOf = (name: string) =>
      issues.find((issue: { description: string }) => issue.description.startsWith(name)).fingerprint;
    const said = async () =>
      (await server.call("GET", errors("/feedback"))).json.map((entry: { message: string }) => entry.message).sort();

    // Whoever is first does the job: the server does, too.
    const blobsLeft = () => expect.poll(async () => (await blobKeys()).length, { timeout: 15_000 });
    expect((await server.call("DELETE", errors(`/events/${id("a")}`))).status).toBe(202);
    await blobsLeft().toBe(3);
    expect((await server.call("GET", errors(`/events/${id("a")}/attachments`))).json).toEqual([]);
    expect(await said()).toEqual(["checkout b", "pay d", "search c"]);

    expect((await server.call("DELETE", errors(`/${fingerprintOf("search")}`))).status).toBe(202);
    // Hidden at once, whenever the rows go.
    expect((await server.call("GET", errors(`/events/${id("c")}/attachments`))).json).toEqual([]);
    expect(await said()).toEqual(["checkout b", "pay d"]);
    await blobsLeft().toBe(2);

    const job = await server.call("DELETE", `/api/v1/projects/${server.projectId}`);
    await blobsLeft().toBe(0);
    await expect
      .poll(async () => (await server.call("GET", errors(`/deletions/${job.json.job_id}`))).json)
      .toMatchObject({ state: "done", counts: { attachments: 2, feedback: 2, events: 2 } });
  });

  const deletions = () => ({
    database: server.database,
    analytics: server.analytics,
    blobs: server.blobs,
    clock: systemClock,
  });

  test("ET-161 ET-274 attachments and feedback are kept as long as events are", async () => {
    await send(
      envelope({ event_id: id("a") }, errorEvent("old"), attachment("x", "1"), [
        { type: "user_report" },
        { event_id: id("a"), comments: "old" },
      ]),
    );
    await server.settled();
    const later = createVirtualClock(Date.now() + 91 * 86_400_000);
    const expiry = { ...deletions(), clock: later, defaults: { retentionDays: 90, groupingVersion: 1 } };
    await removeExpired({ ...expiry, clock: systemClock });
    expect(await blobKeys()).toHaveLength(1);
    await removeExpired(expiry);
    expect(await blobKeys()).toEqual([]);
    expect((await server.call("GET", errors("/feedback"))).json).toEqual([]);
  });

  test("PF-065 each kind of data is kept for as long as the project wants, and never longer than events", async () => {
    const settings = { retention_days: 30, retention_days_of: { attachments: 7, sessions: 14, feedback: 365 } };
    const url = `/api/v1/projects/${server.projectId}`;
    const changed = await server.call("PATCH", url, { settings });
    expect(changed.json.settings).toMatchObject(settings);
    const session = { sid: id("1"), started: new Date().toISOString(), status: "ok", attrs: { release: "r" } };
    await send(
      envelope(
        { event_id: id("a") },
        errorEvent("old"),
        attachment("x", "1"),
        [{ type: "user_report" }, { event_id: id("a"), comments: "old" }],
        [{ type: "session" }, session],
      ),
    );
    await server.settled();
    const kept = async (days: number): Promise<string[]> => {
      const clock = createVirtualClock(Date.now() + days * 86_400_000);
      await removeExpired({ ...deletions(), clock, defaults: { retentionDays: 90, groupingVersion: 1 } });
      const rows = async (table: string): Promise<boolean> => {
        const [row] = await server.analytics.query<{ n: string }>(
          `SELECT count() AS n FROM ${table} FINAL WHERE project_id = {project:UInt64}`,
          { project: server.projectId },
        );
        return Number(row?.n) > 0;
      };
      const { rows: said } = await server.database.run("select id from error_feedback");
      return [
        ...((await rows("error_events")) ? ["events"] : []),
        ...((await blobKeys()).length > 0 ? ["attachments"] : []),
        ...(said.length > 0 ? ["feedback"] : []),
        ...((await rows("error_sessions")) ? ["sessions"] : []),
      ];
    };
    expect(await kept(6)).toEqual(["events", "attachments", "feedback", "sessions"]);
    expect(await kept(8)).toEqual(["events", "feedback", "sessions"]);
    // Rows go with the week that they are of.
    expect(await kept(14 + 8)).toEqual(["events", "feedback"]);
    expect(await kept(30 + 8)).toEqual([]);
    // A shorter time holds for what is there already.
    await server.call("PATCH", url, { settings: { retention_days_of: { sessions: null, attachments: null } } });
    await send(envelope({}, [{ type: "session" }, { ...session, sid: id("2") }]));
    await server.settled();
    expect(await kept(12)).toEqual(["sessions"]);
    await server.call("PATCH", url, { settings: { retention_days_of: { sessions: 7 } } });
    expect(await kept(12)).toEqual([]);
  });

  test("ET-161 attachments that no event needs are collected after a day, and those of dead letters are not", async () => {
    const dayMs = 86_400_000;
    const clock = createVirtualClock(Date.now());
    await send(envelope({ event_id: id("a") }, errorEvent("kept"), attachment("x", "kept")));
    // The same event again: its attachment is a second blob that belongs to nothing.
    await send(envelope({ event_id: id("a") }, errorEvent("kept"), attachment("x", "kept")));
    await server.settled();
    await server.database.run("create unique index no_more on error_issues (project_id)");
    await send(envelope({ event_id: id("b") }, errorEvent("poison"), attachment("x", "of the letter")));
    await expect.poll(() => letters(), { timeout: 20_000 }).toHaveLength(1);
    expect(await blobKeys()).toHaveLength(3);
    const collector = createOrphanCollector({ ...deletions(), clock, messages: () => server.eventStore });
    expect(await collector.collect()).toBe(0);
    await clock.advanceBy(dayMs + 60_000);
    expect(await collector.collect()).toBe(1);
    expect(await blobKeys()).toHaveLength(2);
    expect((await server.call("GET", errors(`/events/${id("a")}/attachments`))).json).toHaveLength(1);
  });

  const letters = async () => (await server.call("GET", errors("/dead-letters?state=dead"))).json;

  test("ET-161 while messages wait, and for ten minutes after, nothing is collected", async () => {
    const clock = createVirtualClock(Date.now());
    let isAway = true;
    const collector = createOrphanCollector({
      ...deletions(),
      clock,
      analytics: { ping: () => (isAway ? Promise.reject(new Error("away")) : Promise.resolve()) },
      messages: () => server.eventStore,
    });
    expect(await collector.isCalm()).toBe(false);
    isAway = false;
    expect(await collector.isCalm()).toBe(false);
    await clock.advanceBy(599_000);
    expect(await collector.isCalm()).toBe(false);
    await clock.advanceBy(1000);
    expect(await collector.isCalm()).toBe(true);
    isAway = true;
    expect(await collector.isCalm()).toBe(false);
  });
});

describe("feedback", () => {
  test("ET-162 feedback is listed by project and by error, page by page, and only where it may be seen", async () => {
    await send(envelope({ event_id: id("1") }, errorEvent("checkout")));
    await server.settled();
    const say = (n: number, eventId: string) =>
      send(envelope({}, [{ type: "user_report" }, { event_id: eventId, name: `user ${n}`, comments: `said ${n}` }]));
    for (let n = 1; n <= 5; n++) await say(n, n % 2 ? id("1") : id("9"));
    await server.settled();
    const [issue] = (await server.call("GET", errors(""))).json;
    const messages = (answer: { json: { message: string }[] }) => answer.json.map(({ message }) => message);
    const all = await server.call("GET", errors("/feedback"));
    expect(messages(all)).toHaveLength(5);
    expect(
      all.json.filter((said: { fingerprint: number | null }) => said.fingerprint === issue.fingerprint),
    ).toHaveLength(3);
    const ofError = await server.call("GET", errors(`/${issue.fingerprint}/feedback`));
    expect(messages(ofError).sort()).toEqual(["said 1", "said 3", "said 5"]);

    const walked: string[] = [];
    for (let next: string | undefined = errors("/feedback?limit=2"); next; ) {
      const page: Awaited<ReturnType<FullServer["call"]>> = await server.call("GET", next);
      walked.push(...messages(page));
      next = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1];
    }
    expect(walked).toEqual(messages(all));
    expect((await server.call("GET", errors("/feedback"), undefined, `only ${server.projectId + 1}`)).status).toBe(404);
    expect((await server.call("GET", errors("/feedback?cursor=bogus"))).status).toBe(400);
  });
});

describe("monitors", () => {
  test("ET-313 monitors and their check-ins can be read", async () => {
    const cron = async (slug: string, query: string, body?: object) => {
      const response = await fetch(`${server.ingest(`/cron/${slug}/`)}&${query}`, {
        method: "POST",
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      expect(response.status).toBe(202);
      await server.settled();
    };
    const schedule = { type: "crontab", value: "0 3 * * *" };
    await cron("backup", `status=in_progress&check_in_id=${id("1")}`, {
      monitor_config: { schedule, timezone: "Europe/Berlin" },
    });
    await cron("backup", `status=ok&check_in_id=${id("1")}&duration=2.5`);
    await cron("backup", `status=error&environment=staging&check_in_id=${id("2")}`);
    await cron("other", "status=ok");
    const list = await server.call("GET", errors("/monitors"));
    expect(list.json).toMatchObject([
      { slug: "backup", schedule, timezone: "Europe/Berlin", last_status: "error" },
      { slug: "other", schedule: null, last_status: "ok" },
    ]);
    expect((await server.call("GET", errors("/monitors/backup"))).json).toEqual(list.json[0]);
    expect((await server.call("GET", errors("/monitors/none"))).json.code).toBe("ET_MONITOR_NOT_FOUND");
    const checkIns = await server.call("GET", errors("/monitors/backup/check-ins"));
    expect(checkIns.json).toMatchObject([
      { id: id("2"), status: "error", environment: "staging" },
      { id: id("1"), status: "ok", environment: "production", duration_s: 2.5 },
    ]);
    const staging = await server.call("GET", errors("/monitors/backup/check-ins?environment=staging&limit=1"));
    expect(staging.json.map((checkIn: { id: string }) => checkIn.id)).toEqual([id("2")]);
    for (const path of ["/monitors", "/monitors/backup", "/monitors/backup/check-ins"])
      expect((await server.call("GET", errors(path), undefined, `only ${server.projectId + 1}`)).status).toBe(404);
  });
});

describe("ET-313 monitors are made, changed and deleted by people, too", () => {
  const monitors = (path = "") => errors(`/monitors${path}`);
  const usual = {
    checkin_margin_m: 1,
    max_runtime_m: 30,
    timezone: "UTC",
    failure_issue_threshold: 1,
    recovery_threshold: 1,
  };

  test("ET-313 with a schedule or without one", async () => {
    const schedule = { type: "crontab", value: "0 3 * * 1-5" };
    const made = await server.call("POST", monitors(), { slug: "backup", schedule, timezone: "Europe/Berlin" });
    expect(made.status).toBe(201);
    expect(made.json).toEqual({
      slug: "backup",
      schedule,
      ...usual,
      timezone: "Europe/Berlin",
      created_at: expect.stringMatching(/Z$/),
      last_check_in_at: null,
      last_status: null,
    });
    expect((await server.call("POST", monitors(), { slug: "backup" })).json.code).toBe("ET_MONITOR_EXISTS");
    expect((await server.call("POST", monitors(), { slug: "later" })).json).toMatchObject({ schedule: null });

    const interval = { type: "interval", value: 10, unit: "minute" };
    const changed = await server.call("PATCH", monitors("/backup"), { schedule: interval, recovery_threshold: 3 });
    expect(changed.json).toEqual({ ...made.json, schedule: interval, recovery_threshold: 3 });
    expect((await server.call("PATCH", monitors("/backup"), { max_runtime_m: 5 })).json).toEqual({
      ...changed.json,
      max_runtime_m: 5,
    });
    expect((await server.call("GET", monitors())).json.map(({ slug }: { slug: string }) => slug)).toEqual([
      "backup",
      "later",
    ]);
    // It is the monitor that checks in, and what it says then holds.
    const config = { schedule: { type: "crontab", value: "@daily" } };
    const response = await fetch(`${server.ingest("/cron/backup/")}&status=ok`, {
      method: "POST",
      body: JSON.stringify({ monitor_config: config }),
    });
    expect(response.status).toBe(202);
    await server.settled();
    expect((await server.call("GET", monitors("/backup"))).json).toMatchObject({ ...config, last_status: "ok" });
    expect((await server.call("PATCH", monitors("/backup"), { schedule: null })).json).toMatchObject({
      schedule: null,
    });

    expect((await server.call("DELETE", monitors("/backup"))).status).toBe(204);
    for (const path of ["/backup", "/backup/check-ins"])
      expect((await server.call("GET", monitors(path))).json.code).toBe("ET_MONITOR_NOT_FOUND");
    const { rows } = await server.database.run("select id from error_check_ins");
    expect(rows).toEqual([]);
  });

  test.each([
    [{ slug: "Not A Slug" }, 400, "invalid_parameter"],
    [{ slug: "x", schedule: { type: "crontab", value: "often" } }, 422, "ET_MONITOR_INVALID"],
    [{ slug: "x", schedule: { type: "interval", value: 0, unit: "minute" } }, 422, "ET_MONITOR_INVALID"],
    [{ slug: "x", schedule: { type: "interval", value: 3 } }, 422, "ET_MONITOR_INVALID"],
    [{ slug: "x", timezone: "Europe/Atlantis" }, 422, "ET_MONITOR_INVALID"],
    [{ slug: "x", max_runtime_m: 5 }, 422, "ET_MONITOR_INVALID"],
    [{ slug: "x", unknown: 1 }, 400, "invalid_parameter"],
  ])("ET-313 %j is refused", async (body, status, code) => {
    const answer = await server.call("POST", monitors(), body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect((await server.call("GET", monitors("/x"))).status).toBe(404);
  });

  test("ET-313 nobody else may, and nothing is there to be changed", async () => {
    for (const [method, path] of [
      ["PATCH", "/none"],
      ["DELETE", "/none"],
    ] as const) {
      const body = method === "PATCH" ? { recovery_threshold: 2 } : undefined;
      expect((await server.call(method, monitors(path), body)).json.code).toBe("ET_MONITOR_NOT_FOUND");
      expect((await server.call(method, monitors(path), body, "read")).status).toBe(403);
      expect((await server.call(method, monitors(path), body, `only ${server.projectId + 1}`)).status).toBe(404);
    }
    expect((await server.call("POST", monitors(), { slug: "x" }, "read")).status).toBe(403);
    expect((await server.call("POST", monitors(), { slug: "x" }, `only ${server.projectId + 1}`)).status).toBe(404);
  });
});

describe("dead letters", () => {
  const letters = async (query = "") => (await server.call("GET", errors(`/dead-letters${query}`))).json;

  /** Makes every new issue fail, and lets some events die of it. */
  const kill = async (...names: readonly [digit: string, name: string][]) => {
    await server.database.run("create unique index no_more on error_issues (project_id)");
    await send(envelope({ event_id: id("0") }, errorEvent("first")));
    await server.settled();
    for (const [digit, name] of names) await send(envelope({ event_id: id(digit) }, errorEvent(name)));
    await expect.poll(async () => (await letters("?state=dead")).length, { timeout: 25_000 }).toBe(names.length);
  };
  const mend = () => server.database.run("drop index no_more");

  test("ET-290 a dead letter has its reason and attempts, and its exact bytes for administrators", async () => {
    const before = Date.now();
    await kill(["a", "poison"]);
    const [letter] = await letters();
    expect(letter).toMatchObject({
      id: id("a"),
      state: "dead",
      code: "ET_EVENT_REFUSED",
      attempts: 3,
      replay_count: 0,
    });
    expect(Date.parse(letter.received_at)).toBeGreaterThanOrEqual(before);
    const whole = await server.call("GET", errors(`/dead-letters/${id("a")}`));
    const [payload] = whole.json.payloads;
    expect(Buffer.from(payload.base64, "base64").toString()).toBe(JSON.stringify(errorPayload("poison")));
    expect(whole.json.stack).toContain("DigestError");
    expect((await server.call("GET", errors(`/dead-letters/${id("a")}`), undefined, "read")).json.payloads).toBeNull();
    for (const [method, path] of [
      ["POST", `/${id("a")}/replay`],
      ["DELETE", `/${id("a")}`],
      ["POST", "/replay"],
      ["POST", "/delete"],
    ] as const)
      expect(
        (
          await server.call(
            method,
            errors(`/dead-letters${path}`),
            method === "POST" ? { all: true } : undefined,
            "read",
          )
        ).status,
      ).toBe(403);
  });

  test("ET-290 a replayed letter is stored with its original time of receipt", async () => {
    await kill(["a", "poison"]);
    const [{ received_at: receivedAt }] = await letters();
    await mend();
    const replayed = await server.call("POST", errors(`/dead-letters/${id("a")}/replay`));
    expect([replayed.status, replayed.json]).toEqual([202, { count: 1 }]);
    await server.settled();
    expect((await letters())[0]).toMatchObject({ state: "resolved", replay_count: 1 });
    const event = await server.call("GET", errors(`/events/${id("a")}`));
    expect(JSON.parse(event.json.payload).received).toBe(receivedAt);
    expect((await server.call("POST", errors(`/dead-letters/${id("a")}/replay`))).json.code).toBe(
      "ET_DEAD_LETTER_STATE",
    );
    expect((await server.call("POST", errors(`/dead-letters/${id("f")}/replay`))).json.code).toBe(
      "ET_DEAD_LETTER_NOT_FOUND",
    );
  });

  test("ET-290 ET-327 many are replayed or deleted by what they have in common, never those of other projects", async () => {
    await kill(["a", "one"], ["b", "two"], ["c", "three"]);
    const other = await server.errorTracking.projects.create("Other");
    for (const path of [`/dead-letters/${id("a")}`, "/dead-letters"])
      expect((await server.call("GET", errors(path), undefined, `only ${other.id}`)).status).toBe(404);
    const elsewhere = `/api/v1/projects/${other.id}/errors/dead-letters`;
    expect((await server.call("GET", elsewhere)).json).toEqual([]);
    expect((await server.call("POST", `${elsewhere}/replay`, { all: true })).json).toEqual({ count: 0 });
    expect((await server.call("GET", `${elsewhere}/${id("a")}`)).status).toBe(404);
    await mend();
    expect((await server.call("POST", errors("/dead-letters/delete"), { ids: [id("a")] })).json).toEqual({ count: 1 });
    expect((await server.call("POST", errors("/dead-letters/replay"), { text: "no such text" })).json).toEqual({
      count: 0,
    });
    expect((await server.call("POST", errors("/dead-letters/replay"), { text: "refuses" })).json).toEqual({ count: 2 });
    await server.settled();
    expect(
      (await letters()).map(({ id: letter, state }: { id: string; state: string }) => [letter[0], state]).sort(),
    ).toEqual([
      ["a", "discarded"],
      ["b", "resolved"],
      ["c", "resolved"],
    ]);
    expect((await server.call("POST", errors("/dead-letters/replay"), {})).status).toBe(400);
  });

  test("ET-290 messages of items die and come back like events, and the list has pages", async () => {
    await server.database.run("create unique index no_more on error_check_ins (project_id)");
    const checkIn = (slug: string) => send(envelope({}, [{ type: "check_in" }, { monitor_slug: slug, status: "ok" }]));
    for (const slug of ["first", "second", "third"]) {
      await checkIn(slug);
      if (slug === "first") await server.settled();
    }
    await expect.poll(async () => (await letters("?state=dead")).length, { timeout: 25_000 }).toBe(2);
    const page = await server.call("GET", errors("/dead-letters?limit=1"));
    const next = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
    const [second] = (await server.call("GET", next)).json;
    expect(second.id).toMatch(/^check_in:[0-9a-f]{32}$/);
    const whole = await server.call("GET", errors(`/dead-letters/${second.id}`));
    expect(whole.json.payloads).toMatchObject([{ type: "check_in" }]);
    await mend();
    expect((await server.call("POST", errors(`/dead-letters/${second.id}/replay`))).status).toBe(202);
    expect((await server.call("DELETE", errors(`/dead-letters/${page.json[0].id}`))).status).toBe(204);
    await server.settled();
    expect((await server.call("GET", errors("/monitors"))).json).toHaveLength(2);
  });
});

test("an instance that wants no attachments keeps none, and the events they came with", async () => {
  const plain = await startFullServer({
    analyticsUrl: engine.url,
    environment: { SIGNALBOX_ERROR_TRACKING_ATTACHMENTS_ENABLED: "false" },
  });
  try {
    const body = envelope({ event_id: id("a") }, errorEvent("a"), [{ type: "attachment", filename: "a.txt" }, "text"]);
    const response = await fetch(plain.ingest("/envelope/"), { method: "POST", body: Buffer.from(body) });
    expect(response.status).toBe(200);
    await plain.settled();
    const url = `/api/v1/projects/${plain.projectId}/errors`;
    expect((await plain.call("GET", `${url}/events/${id("a")}`)).status).toBe(200);
    expect((await plain.call("GET", `${url}/events/${id("a")}/attachments`)).json).toEqual([]);
    await expect
      .poll(async () => (await plain.call("GET", `${url}/ledger`)).json.outcomes.not_stored?.reasons)
      .toEqual({ attachment: 1 });
  } finally {
    await plain.close();
  }
});

test("GitLab's clients read with the token of the instance in their own header, where one is configured", async () => {
  const token = "a-token-of-gitlab-0123";
  const withToken = await startFullServer({
    analyticsUrl: engine.url,
    environment: { SIGNALBOX_ERROR_TRACKING_GITLAB_TOKEN: token },
  });
  const get = async (of: FullServer, path: string, sent: string, method = "GET") =>
    (await fetch(`${of.url}${path}`, { method, headers: { "gitlab-error-tracking-token": sent } })).status;
  try {
    const { projectId } = withToken;
    for (const base of ["/api/v1", "/errortracking/api/v1"])
      for (const path of [`/projects/${projectId}/errors`, `/projects/${projectId}/messages`]) {
        expect([path, await get(withToken, base + path, token)]).toEqual([path, 200]);
        for (const wrong of ["", "x", `${token}x`]) expect(await get(withToken, base + path, wrong)).toBe(401);
        expect(await get(server, base + path, token)).toBe(401);
      }
    // What only we have needs a token of ours.
    for (const path of ["/api/v1/projects", `/api/v1/projects/${projectId}/errors/feedback`])
      expect(await get(withToken, path, token)).toBe(401);
    expect(await get(withToken, `/errortracking/api/v1/projects/${projectId}`, token, "DELETE")).toBe(204);
  } finally {
    await withToken.close();
  }
});
