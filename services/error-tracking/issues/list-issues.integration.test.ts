import { systemClock } from "@signalbox/kernel";
import { requireServers, startPostgres } from "@signalbox/testing/servers";
import type { Transaction } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { prepareEvent } from "../digest/prepare-event.js";
import { recordEvents } from "../store/record-events.js";
import { defaultOptions, unexplained } from "../testing/prepare.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { openTestDatabase, type TestDatabase } from "../testing/stores.js";
import { changeIssues } from "./change-issues.js";
import { issueFrequencies } from "./issue-frequencies.js";
import { type IssueFilter, type IssueSort, issueSorts, listIssues, type WalkPosition } from "./list-issues.js";

const needed = requireServers(["postgres"]);

describe("SQLite", () => describeLists(() => openTestDatabase()));

describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  describeLists(async () => openTestDatabase(await server.createDatabase()));
});

function describeLists(open: () => Promise<TestDatabase>): void {
  let stores: TestDatabase;
  beforeEach(async () => {
    stores = await open();
  });
  afterEach(() => stores.close());

  const nowMs = Date.now();

  const record = (...events: readonly [name: string, timeMs: number][]) =>
    stores.database.transaction((transaction: Transaction<unknown>) => {
      const digested = events.map(([name, timeMs]) =>
        prepareEvent(
          receivedEvent(errorPayload(name, { timestamp: timeMs / 1000 }), { receivedAtMs: nowMs }),
          defaultOptions,
        ),
      );
      return recordEvents(stores.database, digested, nowMs, transaction, unexplained);
    });

  const filter = (changes: Partial<IssueFilter> = {}): IssueFilter => ({
    projectId: 1,
    status: "unresolved",
    sort: "last_seen_desc",
    seenSinceMs: 0,
    conditions: [],
    ...changes,
  });

  async function walk(sort: IssueSort, between: (page: number) => Promise<unknown>): Promise<string[]> {
    const met: string[] = [];
    let from: WalkPosition | undefined;
    for (let page = 1; ; page++) {
      const { items, next } = await listIssues(stores.database, filter({ sort }), 3, from);
      met.push(...items.map((issue) => issue.description));
      if (next === undefined) return met;
      from = next;
      await between(page);
    }
  }

  test.each(issueSorts)(
    "ET-328 walking by %s keeps the order of its beginning, whatever moves meanwhile",
    async (sort) => {
      const names = Array.from({ length: 14 }, (_, index) => `e${index}`);
      for (const [index, name] of names.entries())
        await record(...Array.from({ length: (index % 5) + 1 }, (): [string, number] => [name, nowMs - index * 1000]));
      const { items: before } = await listIssues(stores.database, filter({ sort }), 100, undefined);
      const met = await walk(sort, (page) =>
        record(
          [`new ${page}`, nowMs - page * 2500],
          ...names.slice(page).map((name): [string, number] => [name, nowMs + page]),
          ...names.slice(0, page).map((name): [string, number] => [name, nowMs - 60_000 * page]),
        ),
      );
      expect(met).toEqual(before.map((issue) => issue.description));
    },
  );

  test("frequencies are exact, over all hashes of an issue and of nobody else", async () => {
    const hourMs = 3_600_000;
    await record(["a", nowMs], ["a", nowMs - hourMs], ["b", nowMs]);
    const { items } = await listIssues(stores.database, filter({ sort: "frequency_desc" }), 10, undefined);
    const ids = items.map((issue) => issue.id);
    const frequencies = await issueFrequencies(stores.database, 1, ids, "24h", nowMs);
    expect(
      ids.map((id) =>
        frequencies
          .get(id)
          ?.slice(-2)
          .map(([, events]) => events),
      ),
    ).toEqual([
      [1, 1],
      [0, 1],
    ]);
    const days = await issueFrequencies(stores.database, 1, ids, "14d", nowMs);
    expect(ids.map((id) => days.get(id)?.reduce((sum, [, events]) => sum + events, 0))).toEqual([2, 1]);
    expect(await issueFrequencies(stores.database, 1, [], "24h", nowMs)).toEqual(new Map());
  });

  test("two who change a status at once make one change", async () => {
    await record(["a", nowMs]);
    const { items } = await listIssues(stores.database, filter(), 1, undefined);
    const published: string[] = [];
    const publisher = () => ({ publish: async ({ type }: { type: string }) => void published.push(type) });
    const change = () =>
      changeIssues(
        { database: stores.database, clock: systemClock, publisher },
        { projectId: 1, issueIds: [items[0]?.id ?? 0], change: { status: "resolved" }, actor: "ann" },
      );
    const results = await Promise.all([change(), change(), change()]);
    expect(results.map((issues) => [...issues.values()][0]?.status)).toEqual(["resolved", "resolved", "resolved"]);
    expect(published).toEqual(["error_tracking.issue_resolved"]);
  });
}
