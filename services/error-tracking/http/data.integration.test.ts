import { silentLogger, systemClock } from "@signalbox/kernel";
import type { Category } from "@signalbox/sentry-protocol";
import { startClickHouseHttp } from "@signalbox/testing/servers";
import { describe, expect, test } from "vitest";
import { createQuotaWindows } from "../edge/quota-windows.js";
import { ownQuotas } from "../projects/quotas.js";
import type { IssueTables } from "../store/tables.js";
import { type ErrorBody, nowMs, useErrorsApi } from "../testing/errors-api.js";
import { errorPayload } from "../testing/received-event.js";

const api = useErrorsApi(startClickHouseHttp);
const { deletions, errors, only, rowsOf } = api;

describe("deletion", () => {
  test("ET-236 a deleted error is hidden at once and its rows go; later events make a new one", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(project, [errorPayload("a")], [errorPayload("a")], [errorPayload("b")]);
    const [error] = await errors(project, `?query=${encodeURIComponent('"a failed"')}`);
    const url = `/api/v1/projects/${project}/errors/${error?.fingerprint}`;
    const answer = await api.kit.call("DELETE", url);
    expect([answer.statusCode, answer.json()]).toMatchObject([202, { state: "pending" }]);
    expect((await api.kit.call("GET", url)).statusCode).toBe(404);
    expect(await errors(project)).toHaveLength(1);
    await deletions();
    expect(await rowsOf(project)).toEqual([1, 1]);
    const job = await api.kit.call("GET", `/api/v1/projects/${project}/errors/deletions/${answer.json().job_id}`);
    expect(job.json()).toMatchObject({ state: "done", counts: { issues: 1, events: 2 } });
    await api.kit.store(project, [errorPayload("a"), { receivedAtMs: Date.now() + 1000 }]);
    expect((await errors(project)).map((one) => one.event_count)).toEqual([1, 1]);
  });

  test("ET-236 ET-380 what comes after a deletion stays, what was received before goes, whenever the rows are removed", async () => {
    const project = await api.kit.newProject();
    const by = (id: string) => errorPayload("a", { user: { id } });
    await api.kit.store(project, [by("u1")], [by("u2")]);
    const { url } = await only(project);
    expect((await api.kit.call("DELETE", url)).statusCode).toBe(202);
    const receivedAtMs = Date.now() + 1000;
    const [late = "", next = ""] = await api.kit.store(
      project,
      [by("u3"), { receivedAtMs: Date.now() - 60_000 }],
      [by("u4"), { receivedAtMs }],
    );
    const shown = async () => {
      const found = await only(project);
      const events = (await api.kit.call("GET", `${found.url}/events`)).json();
      const ids = events.map((event: { event_id: string }) => event.event_id);
      const error = (await api.kit.call("GET", found.url)).json();
      return [error.event_count, error.approximated_user_count, ids];
    };
    // Rows of the deleted error are still there, and nobody sees them.
    expect(await rowsOf(project)).toEqual([3, 3]);
    expect(await shown()).toEqual([1, expect.any(Number), [next]]);
    expect((await api.kit.call("GET", `/api/v1/projects/${project}/errors/events/${late}`)).statusCode).toBe(404);
    for (const left of [1, 1]) {
      await deletions();
      expect(await rowsOf(project)).toEqual([left, left]);
      expect(await shown()).toEqual([1, 1, [next]]);
      await api.kit.stores.database.run("update error_deletions set next_run_at_ms = 0 where next_run_at_ms > 0");
    }
    await api.kit.store(project, [by("u5"), { receivedAtMs }]);
    expect(await shown()).toMatchObject([2, 2, { length: 2 }]);
    const { rows } = await api.kit.stores.database.run(
      "select outcome, sum(quantity) as quantity from error_ledger where project_id = ? group by outcome order by outcome",
      [project],
    );
    expect(rows).toEqual([
      { outcome: "discarded", quantity: 1 },
      { outcome: "received", quantity: 5 },
      { outcome: "stored", quantity: 4 },
    ]);
  });

  test("ET-220 numbers and short ids of deleted errors are never used again; hashes have one owner", async () => {
    const project = await api.kit.newProject("Numbers");
    await api.kit.store(project, [errorPayload("a")], [errorPayload("b")]);
    const before = (await errors(project)).map((error) => error.fingerprint);
    for (const id of before) await api.kit.call("DELETE", `/api/v1/projects/${project}/errors/${id}`);
    const receivedAtMs = Date.now() + 1000;
    await api.kit.store(project, [errorPayload("a"), { receivedAtMs }], [errorPayload("b"), { receivedAtMs }]);
    const after = (await api.kit.call("GET", `/api/v1/projects/${project}/errors`)).json();
    const ids = after.map((error: ErrorBody) => error.fingerprint);
    expect(Math.min(...ids)).toBeGreaterThan(Math.max(...before));
    expect(after.map((error: { short_id: string }) => error.short_id).sort()).toEqual(["NUMBERS-3", "NUMBERS-4"]);
    const insertAgain = api.kit.stores.database.run(
      `insert into error_hashes (project_id, hash, issue_id, version, strategy, variant, explanation, event_count, created_at_ms)
      select project_id, hash, issue_id + 1, version, strategy, variant, explanation, 0, 0 from error_hashes where project_id = ?`,
      [project],
    );
    await expect(insertAgain).rejects.toMatchObject({ code: expect.stringMatching(/^DATABASE_/) });
  });

  test("ET-236 with discard later events are dropped and counted as discarded, also when delivered again", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(project, [errorPayload("a")]);
    const { url } = await only(project);
    expect((await api.kit.call("DELETE", `${url}?discard=true`)).statusCode).toBe(202);
    const options = { eventId: "ab".repeat(16), receivedAtMs: nowMs };
    await api.kit.store(project, [errorPayload("a"), options]);
    await api.kit.store(project, [errorPayload("a"), options]);
    await deletions();
    expect(await errors(project)).toEqual([]);
    expect(await rowsOf(project)).toEqual([0, 0]);
    const ledger = await api.kit.stores.database
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
    const project = await api.kit.newProject();
    await api.kit.store(project, [errorPayload("a")]);
    await api.kit.call("DELETE", `${(await only(project)).url}?discard=true`);
    const windows = createQuotaWindows({
      database: api.kit.stores.database,
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
      const merged = () => api.kit.stores.database.run("select used from error_quota_windows where used = 3");
      await expect.poll(async () => (await merged()).rows.length).toBe(quotas.length);
      const options = { eventId: "cd".repeat(16), receivedAtMs: Date.now(), keyId: 77 };
      // Delivered again it is given back once.
      for (const _ of [1, 2]) await api.kit.store(project, [errorPayload("a"), options]);
      await api.kit.store(project, [errorPayload("b"), { keyId: 77 }]);
      await expect.poll(used).toEqual([2, 3, 2, 2, 3]);
    } finally {
      await windows.service.stop();
    }
  });

  test("one event, or all events of a user, go with their counts", async () => {
    const project = await api.kit.newProject();
    const by = (name: string, user: object) => errorPayload(name, { user: { ...user } });
    const ids = await api.kit.store(
      project,
      [by("a", { id: "1", email: "ann@example.com" })],
      [by("a", { id: "2" })],
      [by("b", { id: "1" })],
      [by("b", { id: "3" })],
    );
    expect((await api.kit.call("DELETE", `/api/v1/projects/${project}/errors/events/${ids[3]}`)).statusCode).toBe(202);
    const user = await api.kit.call("POST", `/api/v1/projects/${project}/errors/delete-user`, { id: "1" });
    expect(user.statusCode, user.body).toBe(202);
    await deletions();
    await deletions();
    const left = await errors(project, "?sort=frequency_desc");
    // An error of which only the user's events are left goes with them.
    expect(left.map((error) => [error.description, error.event_count])).toEqual([["a failed", 1]]);
    expect(await rowsOf(project)).toEqual([1, 1]);
    expect((await api.kit.call("GET", `/api/v1/projects/${project}/errors/events/${ids[0]}`)).statusCode).toBe(404);
  });

  test("ET-325 a deleted project takes everything with it; GitLab's route answers when it is gone", async () => {
    for (const [base, status] of [
      ["/api/v1", 202],
      ["/errortracking/api/v1", 204],
    ] as const) {
      const project = await api.kit.newProject();
      await api.kit.store(project, [errorPayload("a")], [errorPayload("b")]);
      expect((await api.kit.call("DELETE", `${base}/projects/${project}`, undefined, "write")).statusCode).toBe(403);
      const answer = await api.kit.call("DELETE", `${base}/projects/${project}`);
      expect([base, answer.statusCode]).toEqual([base, status]);
      expect((await api.kit.call("GET", `/api/v1/projects/${project}`)).statusCode).toBe(404);
      if (status === 202) await deletions();
      expect(await rowsOf(project)).toEqual([0, 0]);
      for (const table of ["error_issues", "error_hashes", "error_hash_hours", "error_event_ids"]) {
        const { rows } = await api.kit.stores.database.run<{ n: number }>(
          `select count(*) as n from ${table} where project_id = ?`,
          [project],
        );
        expect([table, rows[0]?.n]).toEqual([table, 0]);
      }
      if (status === 202) {
        const job = await api.kit.call("GET", `/api/v1/projects/${project}/errors/deletions/${answer.json().job_id}`);
        expect(job.json()).toMatchObject({ state: "done", counts: { events: 2, issues: 2 } });
      }
    }
  });

  test("rows that were written while a deletion ran are gone after its second run", async () => {
    const project = await api.kit.newProject();
    await api.kit.store(project, [errorPayload("a")]);
    const { url } = await only(project);
    await api.kit.call("DELETE", url);
    await deletions();
    const { rows } = await api.kit.stores.database.run<{ runs: number; next: number }>(
      "select runs, next_run_at_ms as next from error_deletions where project_id = ?",
      [project],
    );
    expect(rows[0]?.runs).toBe(1);
    expect(rows[0]?.next).toBeGreaterThan(Date.now());
    await api.kit.stores.database.run("update error_deletions set next_run_at_ms = 0 where project_id = ?", [project]);
    expect(await deletions()).toBe(1);
    expect(await deletions()).toBe(0);
  });
});
