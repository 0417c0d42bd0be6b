import { startClickHouseHttp } from "@signalbox/testing/servers";
import { describe, expect, test } from "vitest";
import { at, nowMs, useErrorsApi } from "../testing/errors-api.js";
import { errorPayload } from "../testing/received-event.js";

const api = useErrorsApi(startClickHouseHttp);
const { errors, only } = api;

describe("changes", () => {
  test("an error is resolved, ignored, assigned and linked by PATCH", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(project, [errorPayload("pay", { release: "shop@1.2.0" })]);
    const { url } = await only(project);
    const patch = async (body: object) => {
      const answer = await api.kit.call("PATCH", url, body);
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
    const activity = await api.kit.call("GET", `${url}/activity?limit=2`);
    expect(activity.json()).toMatchObject([
      { kind: "linked", actor: "tester" },
      { kind: "assigned", before: null, after: "ann" },
    ]);
    const next = /<([^>]+)>; rel="next"/.exec(String(activity.headers["link"]))?.[1] ?? "";
    expect((await api.kit.call("GET", next)).json()).toMatchObject([
      { kind: "status", before: "resolved", after: "ignored", conditions: { events: 5, windowMs: 600_000 } },
      { kind: "status" },
    ]);
    for (const body of [{}, { status: "closed" }, { link_url: "javascript:alert(1)" }, { ignore_until: {} }])
      expect((await api.kit.call("PATCH", url, body)).statusCode, JSON.stringify(body)).toBe(400);
    expect((await api.kit.call("PATCH", url, { status: "resolved" }, "read")).statusCode).toBe(403);
  });

  test("ET-246 many errors are changed by number or by query, each with its result", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(
      project,
      [errorPayload("a")],
      [errorPayload("b")],
      [errorPayload("c", { tags: { team: "x" } })],
    );
    const ids = (await errors(project)).map((error) => error.fingerprint);
    const byIds = await api.kit.call("PATCH", `/api/v1/projects/${project}/errors`, {
      ids: [ids.at(-1), 999_999_999],
      status: "ignored",
    });
    expect(byIds.json()).toEqual([
      { fingerprint: ids.at(-1), result: "changed" },
      { fingerprint: 999_999_999, result: "not_found" },
    ]);
    const byQuery = await api.kit.call("PATCH", `/api/v1/projects/${project}/errors`, {
      query: "team:x",
      status: "resolved",
    });
    expect(byQuery.json()).toHaveLength(1);
    expect((await errors(project, "?query=is:resolved")).map((error) => error.description)).toEqual(["c failed"]);
    const tooMany = await api.kit.call("PATCH", `/api/v1/projects/${project}/errors`, {
      ids: Array.from({ length: 1001 }, (_, index) => index + 1),
      status: "resolved",
    });
    expect(tooMany.statusCode).toBe(400);
  });

  test("ET-223 errors are merged; the old address redirects; they are split again", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(project, [errorPayload("a")], [errorPayload("b")], [errorPayload("b")]);
    const [first, second] = (await errors(project)).map((error) => error.fingerprint).sort((x, y) => x - y);
    const base = `/api/v1/projects/${project}/errors`;
    const merged = await api.kit.call("POST", `${base}/merge`, { ids: [first, second] });
    expect(merged.json()).toMatchObject({ fingerprint: first, event_count: 3 });
    expect(await errors(project)).toHaveLength(1);
    for (const path of ["", "/events?limit=5", "/hashes"]) {
      const moved = await api.kit.call("GET", `${base}/${second}${path}`);
      expect([moved.statusCode, moved.headers["location"]]).toEqual([301, `${base}/${first}${path}`]);
    }
    expect((await api.kit.call("GET", `${base}/${first}/events`)).json()).toHaveLength(3);
    const hashes = (await api.kit.call("GET", `${base}/${first}/hashes`)).json();
    expect(hashes).toMatchObject([
      { former_fingerprint: null, strategy: "exception", explanation: { component: { contributes: true } } },
      { former_fingerprint: second, event_count: 2 },
    ]);
    const split = await api.kit.call("POST", `${base}/${first}/unmerge`, { hashes: [hashes[1].hash] });
    expect(split.json()).toMatchObject([{ fingerprint: second, event_count: 2 }]);
    expect((await api.kit.call("GET", `${base}/${first}`)).json()).toMatchObject({ event_count: 1 });
    expect((await api.kit.call("POST", `${base}/merge`, { ids: [first] })).statusCode).toBe(422);
    expect((await api.kit.call("POST", `${base}/${first}/unmerge`, { hashes: [hashes[0].hash] })).statusCode).toBe(422);
  });

  test("ET-246 people comment on errors", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(project, [errorPayload("a")]);
    const { url } = await only(project);
    for (const text of ["first", "second"]) {
      const made = await api.kit.call("POST", `${url}/comments`, { text });
      expect([made.statusCode, made.json()]).toMatchObject([201, { text, author: "tester" }]);
    }
    expect((await api.kit.call("GET", `${url}/comments`)).json()).toMatchObject([
      { text: "second" },
      { text: "first" },
    ]);
    expect((await api.kit.call("GET", `${url}/activity`)).json()).toMatchObject([
      { kind: "commented" },
      { kind: "commented" },
    ]);
  });
});

describe("what is known", () => {
  test("an event has neighbours and is found by its id alone, as JSON and as Markdown", async () => {
    const project = await api.kit.newProject();
    const ids = await api.kit.store(
      project,
      [{ ...errorPayload("a"), ...at(30) }],
      [{ ...errorPayload("a", { extra: { password: "hunter2" } }), ...at(20) }],
      [{ ...errorPayload("a"), ...at(10) }],
      [{ ...errorPayload("b"), ...at(5) }],
    );
    const base = `/api/v1/projects/${project}/errors`;
    const [error] = await errors(project, `?query=${encodeURIComponent('"a failed"')}`);
    const middle = await api.kit.call("GET", `${base}/events/${ids[1]}`);
    expect(middle.json()).toMatchObject({
      fingerprint: error?.fingerprint,
      event_id: ids[1],
      previous: ids[0],
      next: ids[2],
    });
    expect(middle.body).not.toContain("hunter2");
    expect((await api.kit.call("GET", `${base}/${error?.fingerprint}/events/latest`)).json()).toMatchObject({
      event_id: ids[2],
      next: null,
    });
    const markdown = await api.kit.call("GET", `${base}/events/${ids[1]}.md`);
    expect(markdown.headers["content-type"]).toContain("text/markdown");
    expect(markdown.body).toContain("# ValueError: a failed");
    expect(markdown.body).toContain("* a (app.work:20)  a()");
    const ofIssue = await api.kit.call("GET", `${base}/${error?.fingerprint}.md`);
    expect(ofIssue.body).toContain("- Events: 3");
    expect((await api.kit.call("GET", `${base}/events/${"0".repeat(32)}`)).statusCode).toBe(404);
    const other = await api.kit.newProject();
    for (const path of [`events/${ids[1]}`, `events/${ids[1]}.md`, `events/${ids[1]}/grouping`])
      expect((await api.kit.call("GET", `/api/v1/projects/${other}/errors/${path}`)).statusCode).toBe(404);
  });

  test("ET-209 an event's grouping is explained, with what was hashed and what was not", async () => {
    const project = await api.kit.newProject();
    const [id] = await api.kit.store(project, [{ platform: "python", message: "order 17 was lost" }]);
    const answer = await api.kit.call("GET", `/api/v1/projects/${project}/errors/events/${id}/grouping`);
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
    const [stored] = (await api.kit.call("GET", `${url}/hashes`)).json();
    expect(stored.hash).toBe(answer.json().hashes[0].hash);
    expect(stored.explanation).toEqual(answer.json().hashes[0].explanation);
  });

  test("tags are shown with their distribution and what is left", async () => {
    const project = await api.kit.newProject();
    const sent = Array.from({ length: 12 }, (_, index) =>
      errorPayload("a", { tags: { shard: `s${index}`, team: "x", environment: "production" } }),
    );
    await api.kit.store(project, ...sent.map((payload): [typeof payload] => [payload]), [
      errorPayload("a", { tags: { team: "y" } }),
    ]);
    const { url } = await only(project);
    const tags: { key: string; total: number; other: number; values: { value: string; events: number }[] }[] = (
      await api.kit.call("GET", `${url}/tags`)
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
    expect((await api.kit.call("GET", `${url}/tags/shard`)).json()).toMatchObject({ total: 12, other: 0 });
    expect((await api.kit.call("GET", `${url}/tags/nothing`)).statusCode).toBe(404);
  });

  test("ET-324 messages are events without exception, newest first, on both base paths", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(
      project,
      [{ message: "old", level: "info", ...at(60), release: "1.0.0" }],
      [{ message: "new", ...at(1) }],
      [errorPayload("a")],
    );
    for (const base of ["/api/v1", "/errortracking/api/v1"]) {
      const answer = await api.kit.call("GET", `${base}/projects/${project}/messages`);
      expect(answer.json()).toMatchObject([
        { project_id: project, message: "new", level: "error", environment: "production", platform: "other" },
        { message: "old", level: "info", release: "1.0.0", timestamp: new Date(nowMs - 60_000).toISOString() },
      ]);
    }
    expect((await api.kit.call("GET", `/api/v1/projects/${project}/messages?limit=1`)).json()).toHaveLength(1);
  });
});
