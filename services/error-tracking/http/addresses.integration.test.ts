import { startClickHouseHttp } from "@signalbox/testing/servers";
import { describe, expect, test } from "vitest";
import { at, useErrorsApi } from "../testing/errors-api.js";
import { errorPayload } from "../testing/received-event.js";

const api = useErrorsApi(startClickHouseHttp);
const { errors, only } = api;

describe("ET-329 what GitLab's API has not", () => {
  test("ET-329 each route answers under our own address, and under no other", async () => {
    const project = await api.kit.newProject();
    const base = `/api/v1/projects/${project}`;
    const tags = (team: string) => ({ tags: { team }, release: "shop@1.0.0" });
    const [first = "", second = "", third = ""] = await api.kit.store(
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
      const elsewhere = await api.kit.call(method, `/errortracking/api/v1/projects/${project}${path}`, body);
      expect([method, path, [404, 405].includes(elsewhere.statusCode)]).toEqual([method, path, true]);
      const answer = await api.kit.call(method, `${base}${path}`, body);
      expect([method, path, answer.statusCode], answer.body).toEqual([method, path, status]);
      if (Array.isArray(expected)) expect(answer.json(), path).toMatchObject(expected);
      else expect({ body: answer.json() }, path).toMatchObject({ body: expected });
    }
    const survivor = Math.min(one ?? 0, other ?? 0);
    const hashes = (await api.kit.call("GET", `${base}/errors/${survivor}/hashes`)).json();
    expect(hashes).toHaveLength(2);
    const split = await api.kit.call("POST", `${base}/errors/${survivor}/unmerge`, {
      hashes: [hashes.find((hash: { former_fingerprint: number | null }) => hash.former_fingerprint !== null).hash],
    });
    expect([split.statusCode, split.json().length]).toEqual([200, 1]);
    for (const path of [`/errors/${one}.md`, `/errors/events/${second}.md`]) {
      const page = await api.kit.call("GET", `${base}${path}`);
      expect([path, page.statusCode, page.headers["content-type"]]).toEqual([
        path,
        200,
        "text/markdown; charset=utf-8",
      ]);
      expect(page.body).toContain("ValueError");
    }
    expect((await api.kit.call("DELETE", `${url}?discard=true`)).statusCode).toBe(202);
    const late = await api.kit.store(project, [errorPayload("a")]);
    expect((await api.kit.call("GET", `${base}/errors/events/${late[0]}`)).statusCode).toBe(404);
  });

  test("ET-329 Markdown holds nothing that was scrubbed, and nothing of an event is markup", async () => {
    const project = await api.kit.newProject();
    const hostile = "# [x](javascript:alert(1)) <script>alert(1)</script>";
    const [event = ""] = await api.kit.store(project, [
      errorPayload("a", { extra: { password: "hunter2" }, tags: { team: hostile }, transaction: hostile }),
    ]);
    for (const path of [`/errors/${(await only(project)).id}.md`, `/errors/events/${event}.md`]) {
      const { body } = await api.kit.call("GET", `/api/v1/projects/${project}${path}`);
      expect(body).not.toContain("hunter2");
      expect(body).not.toMatch(/(?<!\\)<script|\]\(javascript:|^# \[x\]/m);
    }
  });
});

describe("isolation", () => {
  test("ET-327 a token of another project gets 404 on every route of this one", async () => {
    const project = await api.kit.newProject();
    const other = await api.kit.newProject();
    const [event] = await api.kit.store(project, [errorPayload("a", { tags: { team: "x" } })]);
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
      const answer = await api.kit.call(method, `${base}${path}`, body, `only ${other}`);
      expect([method, path, answer.statusCode]).toEqual([method, path, 404]);
    }
    for (const path of [`/errors/${id}`, `/errors/${id}/events`, `/errors/${id}/tags`, `/errors/events/${event}`]) {
      const answer = await api.kit.call("GET", `${foreign}${path}`, undefined, `only ${other}`);
      expect([path, answer.statusCode]).toEqual([path, 404]);
    }
    expect((await api.kit.call("GET", url)).json()).toMatchObject({ status: "unresolved", event_count: 1 });
  });
});
