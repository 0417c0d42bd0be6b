import { createVirtualClock, systemClock } from "@signalbox/kernel";
import {
  type ClickHouseHttpServer,
  requireServers,
  startClickHouseHttp,
  startPostgres,
} from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { moveByTime } from "./digest/time-moves.js";
import { changeIssues } from "./issues/change-issues.js";
import { type IssueFilter, listIssues } from "./issues/list-issues.js";
import { searchIssues } from "./search/search-issues.js";
import { createTestDigest, uninterrupted } from "./testing/digest.js";
import { errorPayload, receivedEvent } from "./testing/received-event.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics, type TestDatabase } from "./testing/stores.js";
import { requestDeletion, runDeletions } from "./upkeep/delete-data.js";
import type { DeletionKind } from "./upkeep/hide-deleted.js";
import { removeExpired } from "./upkeep/retention.js";
import { verify } from "./upkeep/verify.js";

const needed = requireServers(["postgres"]);

// What other tests prove on SQLite speaks PostgreSQL as well.
describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  let engine: ClickHouseHttpServer;
  let stored: TestAnalytics;
  let stores: TestDatabase;
  const nowMs = Date.now();
  const receivedAtMs = nowMs - 600_000;

  beforeAll(async () => {
    [server, engine] = await Promise.all([startPostgres(), startClickHouseHttp()]);
    stored = await openTestAnalytics(engine.url);
    stores = await openTestDatabase(await server.createDatabase());
    const { digest } = createTestDigest(stores, stored);
    const sent = ["alpha", "alpha", "beta", "gamma"].map((name, index) =>
      receivedEvent(
        errorPayload(name, {
          timestamp: receivedAtMs / 1000,
          user: { id: index },
          release: `1.${index}.0`,
          tags: { name },
        }),
        { receivedAtMs },
      ),
    );
    expect((await digest.handle(sent, uninterrupted)).failed).toEqual([]);
  });
  afterAll(async () => {
    await stores?.close();
    await stored?.close();
    await engine?.stop();
    await server?.stop();
  });

  const dependencies = () => ({
    database: stores.database,
    analytics: stored.analytics,
    clock: systemClock,
    publisher: () => ({ publish: async () => {} }),
  });

  async function find(query: string): Promise<string[]> {
    const found = await searchIssues(dependencies(), { projectId: 1, query, subject: "ann", sinceMs: 0, nowMs });
    const { conditions } = found;
    const filter: IssueFilter = {
      projectId: 1,
      status: undefined,
      sort: "first_seen_desc",
      seenSinceMs: 0,
      conditions,
    };
    const { items } = await listIssues(stores.database, filter, 10, undefined);
    return items.map((issue) => issue.description.replace(" failed", "")).sort();
  }

  test("errors are searched by what issues and what events know", async () => {
    expect(await find("failed")).toEqual(["alpha", "beta", "gamma"]);
    expect(await find("name:[alpha, beta] !release:1.0.0")).toEqual(["alpha", "beta"]);
    expect(await find("timesSeen:>1 is:[new, resolved] assigned:none age:-1d")).toEqual(["alpha"]);
    expect(await find("release:latest firstRelease:1.3.0")).toEqual(["gamma"]);
    expect(await find("title:*ALPHA* 100%_\\")).toEqual([]);
  });

  test("everything agrees, and what does not is found and mended", async () => {
    const run = (repair: boolean) =>
      verify({ ...dependencies(), groupingVersion: 1 }, { sinceMs: receivedAtMs - 86_400_000, repair });
    expect(await run(false)).toMatchObject({ total: 0, checked: { rows: 4, hours: 3, issues: 3, ledger: 2 } });
    await stores.database.run("update error_hash_hours set events = 9");
    await stores.database.run("update error_issues set event_count = 9");
    expect(await run(true)).toMatchObject({ total: 6, open: 0 });
    expect(await run(false)).toMatchObject({ total: 0 });
  });

  test("time moves issues", async () => {
    const [id] = (await stores.database.run<{ id: number }>("select min(id) as id from error_issues")).rows.map(
      (row) => row.id,
    );
    const clock = createVirtualClock(nowMs);
    const change = { status: "ignored", ignoreUntil: { untilMs: nowMs + 1000 } } as const;
    await changeIssues({ ...dependencies(), clock }, { projectId: 1, issueIds: [id ?? 0], change, actor: "ann" });
    await clock.advanceBy(8 * 86_400_000);
    await moveByTime({ ...dependencies(), clock });
    const { rows } = await stores.database.run<{ state: string }>(
      "select distinct status || ' ' || substatus as state from error_issues",
    );
    expect(rows).toEqual([{ state: "unresolved ongoing" }]);
    await removeExpired({ ...dependencies(), defaults: { retentionDays: 90, groupingVersion: 1 } });
  });

  test("data is deleted: of a user, of an issue, of a project", async () => {
    const remove = async (deletion: DeletionKind): Promise<number[]> => {
      await requestDeletion(dependencies(), 1, deletion, "ann");
      expect(await runDeletions(dependencies())).toBe(1);
      const { rows } = await stores.database.run<{ n: number }>(
        "select event_count as n from error_issues order by id",
      );
      return rows.map(({ n }) => n);
    };
    expect(await remove({ kind: "user", id: "0" })).toEqual([1, 1, 1]);
    const [issue] = (await stores.database.run<{ id: number }>("select max(id) as id from error_issues")).rows;
    expect(await remove({ kind: "issue", issueId: issue?.id ?? 0, discard: true })).toEqual([1, 1]);
    expect(await remove({ kind: "project" })).toEqual([]);
    const [left] = await stored.analytics.query<{ n: string }>("SELECT count() AS n FROM error_events FINAL");
    expect(left?.n).toBe("0");
  });
});
