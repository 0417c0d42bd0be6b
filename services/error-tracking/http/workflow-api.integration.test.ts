import { silentLogger, systemClock } from "@signalbox/kernel";
import type { Category, JsonObject } from "@signalbox/sentry-protocol";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createQuotaWindows } from "../edge/quota-windows.js";
import { ownQuotas } from "../projects/quotas.js";
import type { IssueTables } from "../store/tables.js";
import { type ApiKit, openApiKit } from "../testing/api-kit.js";
import { errorPayload } from "../testing/received-event.js";
import { runDeletions } from "../upkeep/delete-data.js";

let engine: ClickHouseHttpServer;
let kit: ApiKit;
beforeAll(async () => {
  engine = await startClickHouseHttp();
  kit = await openApiKit(engine.url);
});
afterAll(async () => {
  await kit?.close();
  await engine?.stop();
});

const nowMs = Date.now();
const at = (secondsAgo: number) => ({ timestamp: (nowMs - secondsAgo * 1000) / 1000 });

interface ErrorBody {
  readonly fingerprint: number;
  readonly description: string;
  readonly event_count: number;
  readonly status: string;
}

const errors = async (project: number, query = ""): Promise<ErrorBody[]> => {
  const answer = await kit.call("GET", `/api/v1/projects/${project}/errors${query}`);
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json();
};
const only = async (project: number): Promise<{ id: number; url: string }> => {
  const [error] = await errors(project);
  const id = error?.fingerprint ?? 0;
  return { id, url: `/api/v1/projects/${project}/errors/${id}` };
};
const deletions = () => runDeletions({ database: kit.stores.database, analytics: kit.analytics, clock: systemClock });
const rowsOf = async (project: number): Promise<number[]> => {
  const counts: number[] = [];
  for (const table of ["error_events", "error_payloads"]) {
    const sql = `SELECT count() AS n FROM ${table} FINAL WHERE project_id = {project:UInt64}`;
    const [row] = await kit.analytics.query<{ n: string }>(sql, { project });
    counts.push(Number(row?.n));
  }
  return counts;
};

describe("changes", () => {
  test("an error is resolved, ignored, assigned and linked by PATCH", async () => {
    const project = await kit.newProject();
    await kit.store(project, [errorPayload("pay", { release: "shop@1.2.0" })]);
    const { url } = await only(project);
    const patch = async (body: object) => {
      const answer = await kit.call("PATCH", url, body);
      expect(answer.statusCode, answer.body).toBe(200);
      return answer.json();
    };
    expect(await patch({ status: "resolved", resolve_in: "current_release" })).toMatchObject({
      status: "resolved",
      substatus: null,
      resolution: { kind: "release", release: "shop@1.2.0" },
    });
    expect(await patch({ status: "resolved", resolve_in: { release: "2.0.0" } })).toMatchObject({
      resolution: { kind: "release", release: "2.0.0" },
    });
    expect(await patch({ status: "ignored", ignore_until: { events: 5, window_s: 600 } })).toMatchObject({
      status: "ignored",
      resolution: null,
    });
    expect(await patch({ assigned_to: "ann", link_url: "https://forge.example/1" })).toMatchObject({
      assigned_to: "ann",
      link_url: "https://forge.example/1",
    });
    const activity = await kit.call("GET", `${url}/activity?limit=2`);
    expect(activity.json()).toMatchObject([
      { kind: "linked", actor: "tester" },
      { kind: "assigned", before: null, after: "ann" },
    ]);
    const next = /<([^>]+)>; rel="next"/.exec(String(activity.headers["link"]))?.[1] ?? "";
    expect((await kit.call("GET", next)).json()).toMatchObject([
      { kind: "status", before: "resolved", after: "ignored", conditions: { events: 5, windowMs: 600_000 } },
      { kind: "status" },
    ]);
    for (const body of [{}, { status: "closed" }, { link_url: "javascript:alert(1)" }, { ignore_until: {} }])
      expect((await kit.call("PATCH", url, body)).statusCode, JSON.stringify(body)).toBe(400);
    expect((await kit.call("PATCH", url, { status: "resolved" }, "read")).statusCode).toBe(403);
  });

  test("ET-246 many errors are changed by number or by query, each with its result", async () => {
    const project = await kit.newProject();
    await kit.store(project, [errorPayload("a")], [errorPayload("b")], [errorPayload("c", { tags: { team: "x" } })]);
    const ids = (await errors(project)).map((error) => error.fingerprint);
    const byIds = await kit.call("PATCH", `/api/v1/projects/${project}/errors`, {
      ids: [ids.at(-1), 999_999_999],
      status: "ignored",
    });
    expect(byIds.json()).toEqual([
      { fingerprint: ids.at(-1), result: "changed" },
      { fingerprint: 999_999_999, result: "not_found" },
    ]);
    const byQuery = await kit.call("PATCH", `/api/v1/projects/${project}/errors`, {
      query: "team:x",
      status: "resolved",
    });
    expect(byQuery.json()).toHaveLength(1);
    expect((await errors(project, "?query=is:resolved")).map((error) => error.description)).toEqual(["c failed"]);
    const tooMany = await kit.call("PATCH", `/api/v1/projects/${project}/errors`, {
      ids: Array.from({ length: 1001 }, (_, index) => index + 1),
      status: "resolved",
    });
    expect(tooMany.statusCode).toBe(400);
  });

  test("ET-223 errors are merged; the old address redirects; they are split again", async () => {
    const project = await kit.newProject();
    await kit.store(project, [errorPayload("a")], [errorPayload("b")], [errorPayload("b")]);
    const [first, second] = (await errors(project)).map((error) => error.fingerprint).sort((x, y) => x - y);
    const base = `/api/v1/projects/${project}/errors`;
    const merged = await kit.call("POST", `${base}/merge`, { ids: [first, second] });
    expect(merged.json()).toMatchObject({ fingerprint: first, event_count: 3 });
    expect(await errors(project)).toHaveLength(1);
    for (const path of ["", "/events?limit=5", "/hashes"]) {
      const moved = await kit.call("GET", `${base}/${second}${path}`);
      expect([moved.statusCode, moved.headers["location"]]).toEqual([301, `${base}/${first}${path}`]);
    }
    expect((await kit.call("GET", `${base}/${first}/events`)).json()).toHaveLength(3);
    const hashes = (await kit.call("GET", `${base}/${first}/hashes`)).json();
    expect(hashes).toMatchObject([
      { former_fingerprint: null, strategy: "exception", explanation: { component: { contributes: true } } },
      { former_fingerprint: second, event_count: 2 },
    ]);
    const split = await kit.call("POST", `${base}/${first}/unmerge`, { hashes: [hashes[1].hash] });
    expect(split.json()).toMatchObject([{ fingerprint: second, event_count: 2 }]);
    expect((await kit.call("GET", `${base}/${first}`)).json()).toMatchObject({ event_count: 1 });
    expect((await kit.call("POST", `${base}/merge`, { ids: [first] })).statusCode).toBe(422);
    expect((await kit.call("POST", `${base}/${first}/unmerge`, { hashes: [hashes[0].hash] })).statusCode).toBe(422);
  });

  test("ET-246 people comment on errors", async () => {
    const project = await kit.newProject();
    await kit.store(project, [errorPayload("a")]);
    const { url } = await only(project);
    for (const text of ["first", "second"]) {
      const made = await kit.call("POST", `${url}/comments`, { text });
      expect([made.statusCode, made.json()]).toMatchObject([201, { text, author: "tester" }]);
    }
    expect((await kit.call("GET", `${url}/comments`)).json()).toMatchObject([{ text: "second" }, { text: "first" }]);
    expect((await kit.call("GET", `${url}/activity`)).json()).toMatchObject([
      { kind: "commented" },
      { kind: "commented" },
    ]);
  });
});

describe("what is known", () => {
  test("an event has neighbours and is found by its id alone, as JSON and as Markdown", async () => {
    const project = await kit.newProject();
    const ids = await kit.store(
      project,
      [{ ...errorPayload("a"), ...at(30) }],
      [{ ...errorPayload("a", { extra: { password: "hunter2" } }), ...at(20) }],
      [{ ...errorPayload("a"), ...at(10) }],
      [{ ...errorPayload("b"), ...at(5) }],
    );
    const base = `/api/v1/projects/${project}/errors`;
    const [error] = await errors(project, `?query=${encodeURIComponent('"a failed"')}`);
    const middle = await kit.call("GET", `${base}/events/${ids[1]}`);
    expect(middle.json()).toMatchObject({
      fingerprint: error?.fingerprint,
      event_id: ids[1],
      previous: ids[0],
      next: ids[2],
    });
    expect(middle.body).not.toContain("hunter2");
    expect((await kit.call("GET", `${base}/${error?.fingerprint}/events/latest`)).json()).toMatchObject({
      event_id: ids[2],
      next: null,
    });
    const markdown = await kit.call("GET", `${base}/events/${ids[1]}.md`);
    expect(markdown.headers["content-type"]).toContain("text/markdown");
    expect(markdown.body).toContain("# ValueError: a failed");
    expect(markdown.body).toContain("* a (app.work:20)  a()");
    const ofIssue = await kit.call("GET", `${base}/${error?.fingerprint}.md`);
    expect(ofIssue.body).toContain("- Events: 3");
    expect((await kit.call("GET", `${base}/events/${"0".repeat(32)}`)).statusCode).toBe(404);
    const other = await kit.newProject();
    for (const path of [`events/${ids[1]}`, `events/${ids[1]}.md`, `events/${ids[1]}/grouping`])
      expect((await kit.call("GET", `/api/v1/projects/${other}/errors/${path}`)).statusCode).toBe(404);
  });

  test("ET-209 an event's grouping is explained, with what was hashed and what was not", async () => {
    const project = await kit.newProject();
    const [id] = await kit.store(project, [{ platform: "python", message: "order 17 was lost" }]);
    const answer = await kit.call("GET", `/api/v1/projects/${project}/errors/events/${id}/grouping`);
    expect(answer.json()).toMatchObject({
      version: 1,
      strategy: "message",
      hashes: [
        {
          variant: "default",
          explanation: {
            component: { contributes: true, token: "order <int> was lost", original: "order 17 was lost" },
          },
        },
      ],
    });
    const { url } = await only(project);
    const [stored] = (await kit.call("GET", `${url}/hashes`)).json();
    expect(stored.hash).toBe(answer.json().hashes[0].hash);
    expect(stored.explanation).toEqual(answer.json().hashes[0].explanation);
  });

  test("tags are shown with their distribution and what is left", async () => {
    const project = await kit.newProject();
    const sent = Array.from({ length: 12 }, (_, index) =>
      errorPayload("a", { tags: { shard: `s${index}`, team: "x" } }),
    );
    await kit.store(project, ...sent.map((payload): [typeof payload] => [payload]), [
      errorPayload("a", { tags: { team: "y" } }),
    ]);
    const { url } = await only(project);
    const tags: { key: string; total: number; other: number; values: { value: string; events: number }[] }[] = (
      await kit.call("GET", `${url}/tags`)
    ).json();
    expect(tags.find(({ key }) => key === "team")).toMatchObject({
      total: 13,
      other: 0,
      values: [
        { value: "x", events: 12 },
        { value: "y", events: 1 },
      ],
    });
    expect(tags.find(({ key }) => key === "shard")).toMatchObject({ total: 12, other: 2 });
    expect(tags.find(({ key }) => key === "environment")).toMatchObject({
      values: [{ value: "production", events: 13 }],
    });
    expect((await kit.call("GET", `${url}/tags/shard`)).json()).toMatchObject({ total: 12, other: 0 });
    expect((await kit.call("GET", `${url}/tags/nothing`)).statusCode).toBe(404);
  });

  test("releases are listed, newest first", async () => {
    const project = await kit.newProject();
    await kit.store(project, [errorPayload("a", { release: "1.0.0" }), { receivedAtMs: nowMs - 5000 }]);
    await kit.store(project, [errorPayload("b", { release: "1.1.0" }), { receivedAtMs: nowMs }]);
    const first = await kit.call("GET", `/api/v1/projects/${project}/releases?limit=1`);
    expect(first.json()).toMatchObject([{ version: "1.1.0", new_issues: 1, commits: [] }]);
    const next = /<([^>]+)>; rel="next"/.exec(String(first.headers["link"]))?.[1] ?? "";
    expect((await kit.call("GET", next)).json()).toMatchObject([{ version: "1.0.0" }]);
  });

  test("ET-245 a release is made by an event or by the API, which adds dates, address, commits and deploys", async () => {
    const project = await kit.newProject();
    const url = `/api/v1/projects/${project}/releases`;
    await kit.store(project, [errorPayload("a", { release: "shop@1.0.0", ...at(30) })]);
    await kit.store(project, [errorPayload("a", { release: "shop@1.0.0", ...at(10) })]);
    const version = "feature/x@2+3";
    const made = await kit.call("POST", url, { version });
    expect([made.statusCode, made.json()]).toMatchObject([
      201,
      { version, projects: [project], date_released: null, url: null, new_issues: 0, first_event: null, commits: [] },
    ]);
    const known = {
      version: "shop@1.0.0",
      date_released: "2026-03-01T10:00:00.000Z",
      url: "https://forge.example/shop/-/releases/1",
      commits: [
        { id: "0123abc", message: "first" },
        { id: "4567def", author: "ann" },
      ],
      deploys: [{ environment: "production", date: "2026-03-01T10:05:00Z" }],
    };
    const told = await kit.call("POST", url, known);
    expect(told.statusCode).toBe(200);
    expect(told.json()).toMatchObject({
      ...known,
      new_issues: 1,
      first_event: new Date(nowMs - 30_000).toISOString(),
      last_event: new Date(nowMs - 10_000).toISOString(),
    });
    // What is not said stays as it is.
    const again = await kit.call("POST", url, { version: known.version, date_released: null });
    expect(again.json()).toMatchObject({ date_released: null, url: known.url, commits: known.commits });
    expect((await kit.call("GET", url)).json()).toHaveLength(2);
    for (const bad of [
      {},
      { version: "a\nb" },
      { version: "/" },
      { version: "x", url: "javascript:1" },
      { version: "x", commits: [{ id: "zz" }] },
    ])
      expect((await kit.call("POST", url, bad)).statusCode).toBe(400);
    expect((await kit.call("POST", url, { version: "x" }, "read")).statusCode).toBe(403);
    expect((await kit.call("POST", url, { version: "x" }, `only ${project + 1}`)).statusCode).toBe(404);
  });

  test("ET-247 links lead to the newest commit of the release, else to the release that is one, else to the branch", async () => {
    const project = await kit.newProject();
    const repository = {
      url_template: "https://forge.example/{commit}/{path}#L{line}",
      add_prefix: "src/",
      default_branch: "trunk",
    };
    await kit.call("PATCH", `/api/v1/projects/${project}`, { settings: { repository } });
    const commits = [{ id: "1111111" }, { id: "2222222" }];
    await kit.call("POST", `/api/v1/projects/${project}/releases`, { version: "shop@1.0.0", commits });
    const linkOf = async (release: string): Promise<string> => {
      const frames: JsonObject[] = [
        { function: "f", filename: "../up.py", in_app: true },
        { function: "g", filename: "a/b c.py", lineno: 7, in_app: true },
      ];
      const [id] = await kit.store(project, [
        { platform: "python", release, exception: { type: "E", stacktrace: { frames } } },
      ]);
      const { payload } = (await kit.call("GET", `/api/v1/projects/${project}/errors/events/${id}`)).json();
      const [up, own] = JSON.parse(payload).exception.values[0].stacktrace.frames;
      expect(up.source_link).toBeUndefined();
      return own.source_link;
    };
    expect(await linkOf("shop@1.0.0")).toBe("https://forge.example/2222222/src/a/b%20c.py#L7");
    expect(await linkOf("shop@abcdef0123")).toBe("https://forge.example/abcdef0123/src/a/b%20c.py#L7");
    expect(await linkOf("shop@2.0.0")).toBe("https://forge.example/trunk/src/a/b%20c.py#L7");
  });

  test("ET-324 messages are events without exception, newest first, on both base paths", async () => {
    const project = await kit.newProject();
    await kit.store(
      project,
      [{ message: "old", level: "info", ...at(60), release: "1.0.0" }],
      [{ message: "new", ...at(1) }],
      [errorPayload("a")],
    );
    for (const base of ["/api/v1", "/errortracking/api/v1"]) {
      const answer = await kit.call("GET", `${base}/projects/${project}/messages`);
      expect(answer.json()).toMatchObject([
        { project_id: project, message: "new", level: "error", environment: "production", platform: "other" },
        { message: "old", level: "info", release: "1.0.0", timestamp: new Date(nowMs - 60_000).toISOString() },
      ]);
    }
    expect((await kit.call("GET", `/api/v1/projects/${project}/messages?limit=1`)).json()).toHaveLength(1);
  });

  test("ET-247 frames of the application link to their line in the repository", async () => {
    const project = await kit.newProject();
    const repository = {
      url_template: "https://forge.example/shop/blob/{commit}/{path}#L{line}",
      strip_prefixes: ["/srv/shop/"],
    };
    const saved = await kit.call("PATCH", `/api/v1/projects/${project}`, { settings: { repository } });
    expect(saved.statusCode, saved.body).toBe(200);
    const frames: JsonObject[] = [
      { function: "lib", filename: "/usr/lib/python3/x.py", lineno: 1 },
      { function: "pay", filename: "/srv/shop/app/ä b.py", lineno: 20, in_app: true },
    ];
    await kit.store(project, [
      { platform: "python", release: "0123abc", exception: { type: "E", stacktrace: { frames } } },
    ]);
    const { url } = await only(project);
    const { payload } = (await kit.call("GET", `${url}/events/latest`)).json();
    const links = JSON.parse(payload).exception.values[0].stacktrace.frames.map(
      (frame: { source_link?: string }) => frame.source_link,
    );
    expect(links).toEqual([undefined, "https://forge.example/shop/blob/0123abc/app/%C3%A4%20b.py#L20"]);
    const template = "https://forge.example/shop/issues/new?title={title}&body={description}%0A{url}";
    await kit.call("PATCH", `/api/v1/projects/${project}`, { settings: { issue_template: template } });
    expect((await kit.call("GET", url)).json().new_issue_url).toMatch(
      /^https:\/\/forge\.example\/shop\/issues\/new\?title=E&body=SHOP.*%3A%20pay.*%0Ahttps%3A%2F%2Fsignalbox\.example%2Fprojects%2F\d+%2Ferrors%2F\d+$/,
    );
    for (const refusedTemplate of ["javascript:alert(1)", "https://{path}/x", "ftp://forge.example/{path}"]) {
      const refused = await kit.call("PATCH", `/api/v1/projects/${project}`, {
        settings: { repository: { url_template: refusedTemplate } },
      });
      expect([refusedTemplate, refused.statusCode]).toEqual([refusedTemplate, 422]);
    }
  });
});

describe("projects", () => {
  test("settings are saved, used for the next events and shown", async () => {
    const project = await kit.newProject();
    const url = `/api/v1/projects/${project}`;
    const settings = {
      scrubbing: { sensitive_names: ["customer"], scrub_emails: true },
      fingerprint_rules: 'type:ValueError -> "one kind of value"',
      retention_days: 30,
    };
    const saved = await kit.call("PATCH", url, { name: "Shop 2", settings });
    expect(saved.json()).toMatchObject({ name: "Shop 2", settings: { ...settings, scrubbing: { enabled: true } } });
    await kit.store(
      project,
      [errorPayload("a", { extra: { customer: "c", mail: "a@example.com" } })],
      [errorPayload("b")],
    );
    const { url: error } = await only(project);
    expect((await kit.call("GET", error)).json()).toMatchObject({ event_count: 2 });
    const events = (await kit.call("GET", `${error}/events`)).json();
    expect(events.map((event: { payload: string }) => JSON.parse(event.payload).extra)).toContainEqual({
      customer: "[Filtered]",
      mail: "[email]",
    });
    const refused = await kit.call("PATCH", url, { settings: { stack_rules: "function:a\nfunction:b +app\nx" } });
    expect([refused.statusCode, refused.json()]).toMatchObject([422, { code: "ET_RULE_INVALID" }]);
    expect(refused.body).toContain("Line 1, column 11");
    expect((await kit.call("GET", url)).json()).toMatchObject({ settings: { stack_rules: "", retention_days: 30 } });
    expect((await kit.call("PATCH", url, { settings: { retention_days: 31 } })).statusCode).toBe(400);
  });

  test("ET-176 what scrubbing does is shown without keeping anything", async () => {
    const project = await kit.newProject();
    const answer = await kit.call("POST", `/api/v1/projects/${project}/errors/scrub-preview`, {
      event: { extra: { password: "hunter2", note: "order 17" } },
      scrubbing: { rules: [{ pattern: "17", method: "mask" }] },
    });
    expect(answer.json().event).toMatchObject({ extra: { password: "[Filtered]", note: "order **" } });
    expect(await errors(project)).toEqual([]);
  });

  test("keys are made, disabled, rotated and deleted", async () => {
    const project = await kit.newProject();
    const url = `/api/v1/projects/${project}/keys`;
    const made = (await kit.call("POST", url, { label: "Mobile" })).json();
    expect(made).toMatchObject({ label: "Mobile", active: true, dsn: expect.stringContaining(made.public_key) });
    expect((await kit.call("PATCH", `${url}/${made.id}`, { active: false })).json()).toMatchObject({ active: false });
    const rotated = await kit.call("POST", `${url}/${made.id}/rotate`, {});
    expect([rotated.statusCode, rotated.json().label]).toEqual([201, "Mobile"]);
    const keys: { id: number; expires_at: string | null }[] = (await kit.call("GET", url)).json();
    expect(keys).toHaveLength(3);
    const old = keys.find(({ id }) => id === made.id);
    expect(Date.parse(old?.expires_at ?? "") - Date.now()).toBeGreaterThan(23 * 3_600_000);
    for (const { id } of keys.slice(1)) expect((await kit.call("DELETE", `${url}/${id}`)).statusCode).toBe(204);
    expect((await kit.call("DELETE", `${url}/${keys[0]?.id}`)).statusCode).toBe(409);
    expect((await kit.call("DELETE", `${url}/${made.id}`)).statusCode).toBe(404);
    expect((await kit.call("GET", url, undefined, "only 1")).statusCode).toBe(404);
  });

  test("GitLab's forms of settings and client keys, also with its own header for the token", async () => {
    const project = await kit.newProject();
    const base = `/api/v4/projects/${project}/error_tracking`;
    const settings = { active: true, project_name: "Shop", sentry_external_url: null, api_url: null, integrated: true };
    expect((await kit.call("GET", `${base}/settings`)).json()).toEqual(settings);
    const off = await kit.call("PATCH", `${base}/settings?active=false`, { integrated: true });
    expect([off.statusCode, off.json()]).toEqual([200, { ...settings, active: false }]);
    const made = await kit.app.inject({
      method: "POST",
      url: `${base}/client_keys`,
      headers: { "private-token": "all" },
    });
    expect([made.statusCode, made.json()]).toMatchObject([
      201,
      { active: true, public_key: expect.stringMatching(/^glet_[0-9a-f]{32}$/), sentry_dsn: expect.any(String) },
    ]);
    expect((await kit.call("GET", `${base}/client_keys`)).json()).toHaveLength(2);
    expect((await kit.call("DELETE", `${base}/client_keys/${made.json().id}`)).statusCode).toBe(204);
    expect((await kit.app.inject({ url: `${base}/client_keys` })).statusCode).toBe(401);
  });
});

describe("deletion", () => {
  test("ET-236 a deleted error is hidden at once and its rows go; later events make a new one", async () => {
    const project = await kit.newProject();
    await kit.store(project, [errorPayload("a")], [errorPayload("a")], [errorPayload("b")]);
    const [error] = await errors(project, `?query=${encodeURIComponent('"a failed"')}`);
    const url = `/api/v1/projects/${project}/errors/${error?.fingerprint}`;
    const answer = await kit.call("DELETE", url);
    expect([answer.statusCode, answer.json()]).toMatchObject([202, { state: "pending" }]);
    expect((await kit.call("GET", url)).statusCode).toBe(404);
    expect(await errors(project)).toHaveLength(1);
    await deletions();
    expect(await rowsOf(project)).toEqual([1, 1]);
    const job = await kit.call("GET", `/api/v1/projects/${project}/errors/deletions/${answer.json().job_id}`);
    expect(job.json()).toMatchObject({ state: "done", counts: { issues: 1, events: 2 } });
    await kit.store(project, [errorPayload("a")]);
    expect((await errors(project)).map((one) => one.event_count)).toEqual([1, 1]);
  });

  test("ET-220 numbers and short ids of deleted errors are never used again; hashes have one owner", async () => {
    const project = await kit.newProject("Numbers");
    await kit.store(project, [errorPayload("a")], [errorPayload("b")]);
    const before = (await errors(project)).map((error) => error.fingerprint);
    for (const id of before) await kit.call("DELETE", `/api/v1/projects/${project}/errors/${id}`);
    await kit.store(project, [errorPayload("a")], [errorPayload("b")]);
    const after = (await kit.call("GET", `/api/v1/projects/${project}/errors`)).json();
    const ids = after.map((error: ErrorBody) => error.fingerprint);
    expect(Math.min(...ids)).toBeGreaterThan(Math.max(...before));
    expect(after.map((error: { short_id: string }) => error.short_id).sort()).toEqual(["NUMBERS-3", "NUMBERS-4"]);
    const insertAgain = kit.stores.database.run(
      `insert into error_hashes (project_id, hash, issue_id, version, strategy, variant, explanation, event_count, created_at_ms)
      select project_id, hash, issue_id + 1, version, strategy, variant, explanation, 0, 0 from error_hashes where project_id = ?`,
      [project],
    );
    await expect(insertAgain).rejects.toMatchObject({ code: expect.stringMatching(/^DATABASE_/) });
  });

  test("ET-236 with discard later events are dropped and counted as discarded, also when delivered again", async () => {
    const project = await kit.newProject();
    await kit.store(project, [errorPayload("a")]);
    const { url } = await only(project);
    expect((await kit.call("DELETE", `${url}?discard=true`)).statusCode).toBe(202);
    const options = { eventId: "ab".repeat(16), receivedAtMs: nowMs };
    await kit.store(project, [errorPayload("a"), options]);
    await kit.store(project, [errorPayload("a"), options]);
    await deletions();
    expect(await errors(project)).toEqual([]);
    expect(await rowsOf(project)).toEqual([0, 0]);
    const ledger = await kit.stores.database
      .as<IssueTables>()
      .selectFrom("error_ledger")
      .select(["outcome", "reason", "quantity"])
      .where("project_id", "=", project)
      .where("outcome", "<>", "received")
      .orderBy("outcome")
      .execute();
    expect(ledger).toEqual([
      { outcome: "discarded", reason: "issue_discarded", quantity: 1 },
      { outcome: "stored", reason: "", quantity: 1 },
    ]);
  });

  test("ET-236 what is discarded is given back to the quotas that it was counted against", async () => {
    const project = await kit.newProject();
    await kit.store(project, [errorPayload("a")]);
    await kit.call("DELETE", `${(await only(project)).url}?discard=true`);
    const windows = createQuotaWindows({
      database: kit.stores.database,
      clock: systemClock,
      logger: silentLogger,
    });
    const year = 31_536_000;
    const quota = (categories: Category[], limit: number) => ({ categories, limit, windowS: year });
    const quotas = [
      ...ownQuotas("project", project, [quota(["error"], 3), quota(["attachment"], 3), quota([], 9)]),
      ...ownQuotas("key", 77, [quota(["error", "transaction"], 5)]),
      ...ownQuotas("key", 78, [quota(["error"], 5)]),
    ];
    await windows.service.start();
    try {
      for (const one of quotas) windows.add(one, 3);
      const used = async () => quotas.map((one) => windows.used(one));
      const merged = () => kit.stores.database.run("select used from error_quota_windows where used = 3");
      await expect.poll(async () => (await merged()).rows.length).toBe(quotas.length);
      const options = { eventId: "cd".repeat(16), receivedAtMs: Date.now(), keyId: 77 };
      // Delivered again it is given back once.
      for (const _ of [1, 2]) await kit.store(project, [errorPayload("a"), options]);
      await kit.store(project, [errorPayload("b"), { keyId: 77 }]);
      await expect.poll(used).toEqual([2, 3, 2, 2, 3]);
    } finally {
      await windows.service.stop();
    }
  });

  test("one event, or all events of a user, go with their counts", async () => {
    const project = await kit.newProject();
    const by = (name: string, user: object) => errorPayload(name, { user: { ...user } });
    const ids = await kit.store(
      project,
      [by("a", { id: "1", email: "ann@example.com" })],
      [by("a", { id: "2" })],
      [by("b", { id: "1" })],
      [by("b", { id: "3" })],
    );
    expect((await kit.call("DELETE", `/api/v1/projects/${project}/errors/events/${ids[3]}`)).statusCode).toBe(202);
    const user = await kit.call("POST", `/api/v1/projects/${project}/errors/delete-user`, { id: "1" });
    expect(user.statusCode, user.body).toBe(202);
    await deletions();
    await deletions();
    const left = await errors(project, "?sort=frequency_desc");
    // An error of which only the user's events are left goes with them.
    expect(left.map((error) => [error.description, error.event_count])).toEqual([["a failed", 1]]);
    expect(await rowsOf(project)).toEqual([1, 1]);
    expect((await kit.call("GET", `/api/v1/projects/${project}/errors/events/${ids[0]}`)).statusCode).toBe(404);
  });

  test("ET-325 a deleted project takes everything with it; GitLab's route answers when it is gone", async () => {
    for (const [base, status] of [
      ["/api/v1", 202],
      ["/errortracking/api/v1", 204],
    ] as const) {
      const project = await kit.newProject();
      await kit.store(project, [errorPayload("a")], [errorPayload("b")]);
      expect((await kit.call("DELETE", `${base}/projects/${project}`, undefined, "write")).statusCode).toBe(403);
      const answer = await kit.call("DELETE", `${base}/projects/${project}`);
      expect([base, answer.statusCode]).toEqual([base, status]);
      expect((await kit.call("GET", `/api/v1/projects/${project}`)).statusCode).toBe(404);
      if (status === 202) await deletions();
      expect(await rowsOf(project)).toEqual([0, 0]);
      for (const table of ["error_issues", "error_hashes", "error_hash_hours", "error_event_ids"]) {
        const { rows } = await kit.stores.database.run<{ n: number }>(
          `select count(*) as n from ${table} where project_id = ?`,
          [project],
        );
        expect([table, rows[0]?.n]).toEqual([table, 0]);
      }
      if (status === 202) {
        const job = await kit.call("GET", `/api/v1/projects/${project}/errors/deletions/${answer.json().job_id}`);
        expect(job.json()).toMatchObject({ state: "done", counts: { events: 2, issues: 2 } });
      }
    }
  });

  test("rows that were written while a deletion ran are gone after its second run", async () => {
    const project = await kit.newProject();
    await kit.store(project, [errorPayload("a")]);
    const { url } = await only(project);
    await kit.call("DELETE", url);
    await deletions();
    const { rows } = await kit.stores.database.run<{ runs: number; next: number }>(
      "select runs, next_run_at_ms as next from error_deletions where project_id = ?",
      [project],
    );
    expect(rows[0]?.runs).toBe(1);
    expect(rows[0]?.next).toBeGreaterThan(Date.now());
    await kit.stores.database.run("update error_deletions set next_run_at_ms = 0 where project_id = ?", [project]);
    expect(await deletions()).toBe(1);
    expect(await deletions()).toBe(0);
  });
});

describe("ET-329 what GitLab's API has not", () => {
  test("ET-329 each route answers under our own address, and under no other", async () => {
    const project = await kit.newProject();
    const base = `/api/v1/projects/${project}`;
    const tags = (team: string) => ({ tags: { team }, release: "shop@1.0.0" });
    const [first = "", second = "", third = ""] = await kit.store(
      project,
      [errorPayload("a", { ...tags("x"), ...at(30) })],
      [errorPayload("a", { ...tags("y"), ...at(20) })],
      [errorPayload("a", { ...tags("x"), ...at(10) })],
      [errorPayload("b", at(40))],
    );
    const [one, other] = (await errors(project)).map(({ fingerprint }) => fingerprint);
    const url = `${base}/errors/${one}`;
    const error = { fingerprint: one, project_id: project };
    const placed = (event: string, previous: string | null, next: string | null) => ({
      fingerprint: one,
      event_id: event,
      previous,
      next,
      payload: expect.stringContaining(event),
    });
    const routes: ["GET" | "POST" | "PATCH" | "DELETE", string, object | undefined, number, unknown][] = [
      ["PATCH", `/errors/${one}`, { status: "resolved" }, 200, { ...error, status: "resolved" }],
      ["PATCH", `/errors/${one}`, { status: "ignored" }, 200, { ...error, status: "ignored" }],
      ["PATCH", `/errors/${one}`, { assigned_to: "ann" }, 200, { ...error, assigned_to: "ann" }],
      ["POST", `/errors/${one}/comments`, { text: "hm" }, 201, { author: "tester", text: "hm" }],
      ["GET", `/errors/${one}/comments`, undefined, 200, [{ text: "hm" }]],
      [
        "GET",
        `/errors/${one}/activity`,
        undefined,
        200,
        expect.arrayContaining([expect.objectContaining({ kind: "assigned" })]),
      ],
      [
        "GET",
        `/errors/${one}/tags`,
        undefined,
        200,
        expect.arrayContaining([expect.objectContaining({ key: "team", total: 3, other: 0 })]),
      ],
      [
        "GET",
        `/errors/${one}/tags/team`,
        undefined,
        200,
        {
          key: "team",
          values: [
            { value: "x", events: 2 },
            { value: "y", events: 1 },
          ],
        },
      ],
      ["GET", `/errors/${one}/events/latest`, undefined, 200, placed(third, second, null)],
      ["GET", `/errors/${one}/events/oldest`, undefined, 200, placed(first, null, second)],
      ["GET", `/errors/${one}/events/${second}`, undefined, 200, placed(second, first, third)],
      ["GET", `/errors/events/${second}`, undefined, 200, placed(second, first, third)],
      ["GET", "/releases", undefined, 200, [{ version: "shop@1.0.0" }]],
      ["POST", "/errors/merge", { ids: [one, other] }, 200, { event_count: 4 }],
    ];
    for (const [method, path, body, status, expected] of routes) {
      const elsewhere = await kit.call(method, `/errortracking/api/v1/projects/${project}${path}`, body);
      expect([method, path, [404, 405].includes(elsewhere.statusCode)]).toEqual([method, path, true]);
      const answer = await kit.call(method, `${base}${path}`, body);
      expect([method, path, answer.statusCode], answer.body).toEqual([method, path, status]);
      if (Array.isArray(expected)) expect(answer.json(), path).toMatchObject(expected);
      else expect({ body: answer.json() }, path).toMatchObject({ body: expected });
    }
    const survivor = Math.min(one ?? 0, other ?? 0);
    const hashes = (await kit.call("GET", `${base}/errors/${survivor}/hashes`)).json();
    expect(hashes).toHaveLength(2);
    const split = await kit.call("POST", `${base}/errors/${survivor}/unmerge`, {
      hashes: [hashes.find((hash: { former_fingerprint: number | null }) => hash.former_fingerprint !== null).hash],
    });
    expect([split.statusCode, split.json().length]).toEqual([200, 1]);
    for (const path of [`/errors/${one}.md`, `/errors/events/${second}.md`]) {
      const page = await kit.call("GET", `${base}${path}`);
      expect([path, page.statusCode, page.headers["content-type"]]).toEqual([
        path,
        200,
        "text/markdown; charset=utf-8",
      ]);
      expect(page.body).toContain("ValueError");
    }
    expect((await kit.call("DELETE", `${url}?discard=true`)).statusCode).toBe(202);
    const late = await kit.store(project, [errorPayload("a")]);
    expect((await kit.call("GET", `${base}/errors/events/${late[0]}`)).statusCode).toBe(404);
  });

  test("ET-329 Markdown holds nothing that was scrubbed, and nothing of an event is markup", async () => {
    const project = await kit.newProject();
    const hostile = "# [x](javascript:alert(1)) <script>alert(1)</script>";
    const [event = ""] = await kit.store(project, [
      errorPayload("a", { extra: { password: "hunter2" }, tags: { team: hostile }, transaction: hostile }),
    ]);
    for (const path of [`/errors/${(await only(project)).id}.md`, `/errors/events/${event}.md`]) {
      const { body } = await kit.call("GET", `/api/v1/projects/${project}${path}`);
      expect(body).not.toContain("hunter2");
      expect(body).not.toMatch(/(?<!\\)<script|\]\(javascript:|^# \[x\]/m);
    }
  });
});

describe("isolation", () => {
  test("ET-327 a token of another project gets 404 on every route of this one", async () => {
    const project = await kit.newProject();
    const other = await kit.newProject();
    const [event] = await kit.store(project, [errorPayload("a", { tags: { team: "x" } })]);
    const { id, url } = await only(project);
    const base = `/api/v1/projects/${project}`;
    const foreign = `/api/v1/projects/${other}`;
    const routes: ["GET" | "PUT" | "POST" | "PATCH" | "DELETE", string, object?][] = [
      ["GET", ""],
      ["PATCH", "", { name: "x" }],
      ["DELETE", ""],
      ["GET", "/errors"],
      ["PATCH", "/errors", { ids: [id], status: "resolved" }],
      ["GET", `/errors/${id}`],
      ["PUT", `/errors/${id}`, { status: "resolved" }],
      ["PATCH", `/errors/${id}`, { status: "resolved" }],
      ["DELETE", `/errors/${id}`],
      ["GET", `/errors/${id}.md`],
      ["GET", `/errors/${id}/events`],
      ["GET", `/errors/${id}/events/latest`],
      ["GET", `/errors/${id}/hashes`],
      ["GET", `/errors/${id}/tags`],
      ["GET", `/errors/${id}/tags/team`],
      ["GET", `/errors/${id}/activity`],
      ["GET", `/errors/${id}/comments`],
      ["POST", `/errors/${id}/comments`, { text: "x" }],
      ["POST", `/errors/${id}/unmerge`, { hashes: ["0".repeat(32)] }],
      ["POST", "/errors/merge", { ids: [id, id + 1] }],
      ["GET", `/errors/events/${event}`],
      ["GET", `/errors/events/${event}.md`],
      ["GET", `/errors/events/${event}/grouping`],
      ["DELETE", `/errors/events/${event}`],
      ["POST", "/errors/delete-user", { id: "1" }],
      ["POST", "/errors/scrub-preview", { event: {} }],
      ["GET", "/messages"],
      ["GET", "/releases"],
      ["GET", "/keys"],
      ["POST", "/keys", {}],
    ];
    for (const [method, path, body] of routes) {
      const answer = await kit.call(method, `${base}${path}`, body, `only ${other}`);
      expect([method, path, answer.statusCode]).toEqual([method, path, 404]);
    }
    for (const path of [`/errors/${id}`, `/errors/${id}/events`, `/errors/${id}/tags`, `/errors/events/${event}`]) {
      const answer = await kit.call("GET", `${foreign}${path}`, undefined, `only ${other}`);
      expect([path, answer.statusCode]).toEqual([path, 404]);
    }
    expect((await kit.call("GET", url)).json()).toMatchObject({ status: "unresolved", event_count: 1 });
  });
});
