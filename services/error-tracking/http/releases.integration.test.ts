import type { JsonObject } from "@signalbox/sentry-protocol";
import { startClickHouseHttp } from "@signalbox/testing/servers";
import { describe, expect, test } from "vitest";
import { at, nowMs, useErrorsApi } from "../testing/errors-api.js";
import { errorPayload } from "../testing/received-event.js";

const api = useErrorsApi(startClickHouseHttp);
const { only } = api;

describe("releases", () => {
  test("releases are listed, newest first", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(project, [errorPayload("a", { release: "1.0.0" }), { receivedAtMs: nowMs - 5000 }]);
    await api.kit.store(project, [errorPayload("b", { release: "1.1.0" }), { receivedAtMs: nowMs }]);
    const first = await api.kit.call("GET", `/api/v1/projects/${project}/releases?limit=1`);
    expect(first.json()).toMatchObject([{ version: "1.1.0", new_issues: 1, commits: [] }]);
    const next = /<([^>]+)>; rel="next"/.exec(String(first.headers["link"]))?.[1] ?? "";
    expect((await api.kit.call("GET", next)).json()).toMatchObject([{ version: "1.0.0" }]);
  });

  test("ET-245 a release is made by an event or by the API, which adds dates, address, commits and deploys", async () => {
    const project = await api.kit.newProject();
    const url = `/api/v1/projects/${project}/releases`;
    await api.kit.store(project, [errorPayload("a", { release: "shop@1.0.0", ...at(30) })]);
    await api.kit.store(project, [errorPayload("a", { release: "shop@1.0.0", ...at(10) })]);
    const version = "feature/x@2+3";
    const made = await api.kit.call("POST", url, { version });
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
    const told = await api.kit.call("POST", url, known);
    expect(told.statusCode).toBe(200);
    expect(told.json()).toMatchObject({
      ...known,
      new_issues: 1,
      first_event: new Date(nowMs - 30_000).toISOString(),
      last_event: new Date(nowMs - 10_000).toISOString(),
    });
    // What is not said stays as it is.
    const again = await api.kit.call("POST", url, { version: known.version, date_released: null });
    expect(again.json()).toMatchObject({ date_released: null, url: known.url, commits: known.commits });
    expect((await api.kit.call("GET", url)).json()).toHaveLength(2);
    for (const bad of [
      {},
      { version: "a\nb" },
      { version: "/" },
      { version: "x", url: "javascript:1" },
      { version: "x", commits: [{ id: "zz" }] },
    ])
      expect((await api.kit.call("POST", url, bad)).statusCode).toBe(400);
    expect((await api.kit.call("POST", url, { version: "x" }, "read")).statusCode).toBe(403);
    expect((await api.kit.call("POST", url, { version: "x" }, `only ${project + 1}`)).statusCode).toBe(404);
  });

  test("ET-247 links lead to the newest commit of the release, else to the release that is one, else to the branch", async () => {
    const project = await api.kit.newProject();
    const repository = {
      url_template: "https://forge.example/{commit}/{path}#L{line}",
      add_prefix: "src/",
      default_branch: "trunk",
    };
    await api.kit.call("PATCH", `/api/v1/projects/${project}`, { settings: { repository } });
    const commits = [{ id: "1111111" }, { id: "2222222" }];
    await api.kit.call("POST", `/api/v1/projects/${project}/releases`, { version: "shop@1.0.0", commits });
    const linkOf = async (release: string): Promise<string> => {
      const frames: JsonObject[] = [
        { function: "f", filename: "../up.py", in_app: true },
        { function: "g", filename: "a/b c.py", lineno: 7, in_app: true },
      ];
      const [id] = await api.kit.store(project, [
        { platform: "python", release, exception: { type: "E", stacktrace: { frames } } },
      ]);
      const { payload } = (await api.kit.call("GET", `/api/v1/projects/${project}/errors/events/${id}`)).json();
      const [up, own] = JSON.parse(payload).exception.values[0].stacktrace.frames;
      expect(up.source_link).toBeUndefined();
      return own.source_link;
    };
    expect(await linkOf("shop@1.0.0")).toBe("https://forge.example/2222222/src/a/b%20c.py#L7");
    expect(await linkOf("shop@abcdef0123")).toBe("https://forge.example/abcdef0123/src/a/b%20c.py#L7");
    expect(await linkOf("shop@2.0.0")).toBe("https://forge.example/trunk/src/a/b%20c.py#L7");
  });

  test("ET-247 frames of the application link to their line in the repository", async () => {
    const project = await api.kit.newProject();
    const repository = {
      url_template: "https://forge.example/shop/blob/{commit}/{path}#L{line}",
      strip_prefixes: ["/srv/shop/"],
    };
    const saved = await api.kit.call("PATCH", `/api/v1/projects/${project}`, { settings: { repository } });
    expect(saved.statusCode, saved.body).toBe(200);
    const frames: JsonObject[] = [
      { function: "lib", filename: "/usr/lib/python3/x.py", lineno: 1 },
      { function: "pay", filename: "/srv/shop/app/ä b.py", lineno: 20, in_app: true },
    ];
    await api.kit.store(project, [
      { platform: "python", release: "0123abc", exception: { type: "E", stacktrace: { frames } } },
    ]);
    const { url } = await only(project);
    const { payload } = (await api.kit.call("GET", `${url}/events/latest`)).json();
    const links = JSON.parse(payload).exception.values[0].stacktrace.frames.map(
      (frame: { source_link?: string }) => frame.source_link,
    );
    expect(links).toEqual([undefined, "https://forge.example/shop/blob/0123abc/app/%C3%A4%20b.py#L20"]);
    const template = "https://forge.example/shop/issues/new?title={title}&body={description}%0A{url}";
    await api.kit.call("PATCH", `/api/v1/projects/${project}`, { settings: { issue_template: template } });
    expect((await api.kit.call("GET", url)).json().new_issue_url).toMatch(
      /^https:\/\/forge\.example\/shop\/issues\/new\?title=E&body=SHOP.*%3A%20pay.*%0Ahttps%3A%2F%2Fsignalbox\.example%2Fprojects%2F\d+%2Ferrors%2F\d+$/,
    );
    for (const refusedTemplate of ["javascript:alert(1)", "https://{path}/x", "ftp://forge.example/{path}"]) {
      const refused = await api.kit.call("PATCH", `/api/v1/projects/${project}`, {
        settings: { repository: { url_template: refusedTemplate } },
      });
      expect([refusedTemplate, refused.statusCode]).toEqual([refusedTemplate, 422]);
    }
  });

  test("ET-248 commits of the first release that touched a file of the stack are suspects", async () => {
    const project = await api.kit.newProject();
    const frames: JsonObject[] = [
      { function: "serve", filename: "lib/http.py", in_app: false },
      { function: "pay", filename: "shop/pay.py", in_app: true },
    ];
    const event = (release: string): JsonObject => ({
      platform: "python",
      release,
      exception: { type: "E", stacktrace: { frames } },
    });
    await api.kit.store(project, [event("1.0.0"), { receivedAtMs: nowMs - 5000 }]);
    await api.kit.store(project, [event("1.1.0"), { receivedAtMs: nowMs }]);
    const { url } = await only(project);
    const suspects = async () => (await api.kit.call("GET", `${url}/suspect-commits`)).json();
    expect(await suspects()).toEqual([]);
    const commits = [
      { id: "1111111", paths: ["src/shop/pay.py"], author: "ann", message: "Pay", date: "2026-03-01T09:30:00Z" },
      { id: "2222222", paths: ["lib/http.py"] },
      { id: "3333333", paths: ["src/shop/pay.py", "README.md"] },
    ];
    const releases = `/api/v1/projects/${project}/releases`;
    await api.kit.call("POST", releases, {
      version: "1.1.0",
      commits: [{ id: "4444444", paths: ["src/shop/pay.py"] }],
    });
    expect(await suspects()).toEqual([]);
    expect((await api.kit.call("POST", releases, { version: "1.0.0", commits })).statusCode).toBe(200);
    expect(await suspects()).toEqual([
      { id: "3333333", message: null, author: null, date: null, paths: ["src/shop/pay.py"] },
      { id: "1111111", message: "Pay", author: "ann", date: "2026-03-01T09:30:00Z", paths: ["src/shop/pay.py"] },
    ]);
    const other = await api.kit.newProject();
    for (const [path, token] of [
      [`/api/v1/projects/${other}/errors/${url.split("/").at(-1)}/suspect-commits`, "all"],
      [`${url}/suspect-commits`, `only ${other}`],
    ] as const)
      expect((await api.kit.call("GET", path, undefined, token)).statusCode).toBe(404);
  });

  test("ET-248 a commit that fixes an error resolves it in its release, once", async () => {
    const project = await api.kit.newProject("Fixed");
    const url = `/api/v1/projects/${project}/errors`;
    const releases = `/api/v1/projects/${project}/releases`;
    await api.kit.store(project, [errorPayload("a", { release: "1.0.0" })], [errorPayload("b", { release: "1.0.0" })]);
    const found = await api.errors(project);
    const [one, two] = ["a failed", "b failed"].map((text) => found.find(({ title }) => title.endsWith(text)));
    const named = (await api.kit.call("GET", `${url}/${one?.fingerprint}`)).json().short_id;
    const before = api.kit.kit.published.length;
    const commits = [{ id: "0123abc", message: `Count again\n\nfixes ${named}, fixes OTHER-${two?.fingerprint}` }];
    await api.kit.call("POST", releases, { version: "1.1.0", commits });
    const statusOf = async (id = one?.fingerprint) => (await api.kit.call("GET", `${url}/${id}`)).json().status;
    expect([await statusOf(), await statusOf(two?.fingerprint)]).toEqual(["resolved", "unresolved"]);
    expect(api.kit.kit.published.slice(before)).toMatchObject([
      { type: "error_tracking.issue_resolved", data: { issue_id: one?.fingerprint, actor: "tester" } },
    ]);
    const [activity] = (await api.kit.call("GET", `${url}/${one?.fingerprint}/activity`)).json();
    expect(activity).toMatchObject({
      actor: "tester",
      kind: "status",
      after: "resolved",
      commit: "0123abc",
      resolution: { kind: "release", release: "1.1.0" },
    });
    // An older release does not call it back, and a pipeline that runs again resolves nothing again.
    const later = (release: string) =>
      api.kit.store(project, [errorPayload("a", { release }), { receivedAtMs: Date.now() + 1000 }]);
    await later("1.0.0");
    expect(await statusOf()).toBe("resolved");
    await later("1.1.0");
    expect(await statusOf()).toBe("unresolved");
    await api.kit.call("POST", releases, { version: "1.1.0", commits });
    expect(await statusOf()).toBe("unresolved");
  });

  test("ET-242 ET-245 a release that somebody names is the next one that errors wait for", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(project, [errorPayload("a", { release: "1.0.0" })]);
    const { url } = await only(project);
    await api.kit.call("PATCH", url, { status: "resolved", resolve_in: "next_release" });
    const releases = `/api/v1/projects/${project}/releases`;
    const statusAfter = async (more: JsonObject) => {
      await api.kit.store(project, [errorPayload("a", more), { receivedAtMs: Date.now() + 1000 }]);
      return (await api.kit.call("GET", url)).json().status;
    };
    await api.kit.call("POST", releases, { version: "0.9.0" });
    expect(await statusAfter({})).toBe("resolved");
    await api.kit.call("POST", releases, { version: "1.1.0" });
    expect(await statusAfter({ release: "1.0.0" })).toBe("resolved");
    // From then on it is resolved in that release: an event that names none is one of it or later.
    expect(await statusAfter({})).toBe("unresolved");
  });
});
