import { createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import {
  type ClickHouseHttpServer,
  requireServers,
  startClickHouseHttp,
  startPostgres,
} from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ReceivedEvent } from "../digest/prepare-event.js";
import type { IssueTables } from "../store/tables.js";
import { createTestDigest, type TestDigest, uninterrupted } from "../testing/digest.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics, type TestDatabase } from "../testing/stores.js";
import { changeIssues, type IssueChange } from "./change-issues.js";
import { mergeIssues, unmergeIssue } from "./merge-issues.js";

const needed = requireServers(["postgres"]);
const startMs = Math.floor(Date.now() / 3_600_000) * 3_600_000 + 1_800_000;
const minute = 60_000;
const hour = 60 * minute;

let engine: ClickHouseHttpServer;
let stored: TestAnalytics;
/** Rows of all tests share the analytics engine, so each test has a project that no other has. */
let projectId = 0;

beforeAll(async () => {
  engine = await startClickHouseHttp();
  stored = await openTestAnalytics(engine.url);
});
afterAll(async () => {
  await stored?.close();
  await engine?.stop();
});

describe("SQLite", () => describeWorkflow(() => openTestDatabase()));

describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  describeWorkflow(async () => openTestDatabase(await server.createDatabase()));
});

function describeWorkflow(open: () => Promise<TestDatabase>): void {
  let stores: TestDatabase;
  let clock: VirtualClock;
  let kit: TestDigest;

  beforeEach(async () => {
    stores = await open();
    clock = createVirtualClock(startMs);
    for (const nextId = projectId + 1; projectId < nextId; ) ({ id: projectId } = await stores.projects.create("Shop"));
    kit = createTestDigest(stores, stored, { clock });
  });
  afterEach(() => stores.close());

  const event = (name: string, release?: string, receivedAtMs = clock.nowMs()): ReceivedEvent =>
    receivedEvent(errorPayload(name, { timestamp: receivedAtMs / 1000, ...(release ? { release } : {}) }), {
      projectId,
      receivedAtMs,
    });

  /** Events that come in now, one after the other. */
  const digest = async (...events: readonly ReceivedEvent[]): Promise<void> => {
    await clock.advanceBy(1000);
    expect((await kit.digest.handle(events, uninterrupted)).failed).toEqual([]);
  };
  const send = async (name: string, release?: string): Promise<void> => {
    await clock.advanceBy(1000);
    await digest(event(name, release));
  };

  const db = () => stores.database.as<IssueTables>();
  const issues = () => db().selectFrom("error_issues").selectAll().orderBy("id").execute();
  const first = async () => {
    const [issue] = await issues();
    if (issue === undefined) throw new Error("There is no issue.");
    return issue;
  };
  const state = async () => {
    const { status, substatus } = await first();
    return `${status} ${substatus}`;
  };
  const activities = async () =>
    (await db().selectFrom("error_activity").selectAll().orderBy("id").execute()).map(({ kind, detail }) => [
      kind,
      JSON.parse(detail),
    ]);

  const dependencies = () => ({
    database: stores.database,
    analytics: stored.analytics,
    clock,
    publisher: () => ({
      publish: async ({ type, correlationId, data }: { type: string; correlationId: string; data: unknown }) =>
        void kit.published.push({ type, correlationId, data }),
    }),
  });

  const change = async (to: IssueChange, ids?: readonly number[]) => {
    await clock.advanceBy(1000);
    const issueIds = ids ?? [(await first()).id];
    return changeIssues(dependencies(), { projectId, issueIds, change: to, actor: "ann" });
  };

  const announced = () => kit.published.map(({ type }) => type.replace("error_tracking.issue_", ""));

  test("ET-230 the first event makes an issue that is new, and tells of it", async () => {
    await send("pay", "1.0.0");
    expect(await state()).toBe("unresolved new");
    expect(kit.published).toMatchObject([
      { type: "error_tracking.issue_created", data: { project_id: projectId, release: "1.0.0" } },
    ]);
  });

  test("ET-232 ET-241 ET-233 a later event of an issue that was resolved calls it back, once", async () => {
    await send("pay");
    await change({ status: "resolved" });
    expect(await state()).toBe("resolved ongoing");
    await clock.advanceBy(1000);
    await digest(event("pay"), event("pay"));
    expect(await state()).toBe("unresolved regressed");
    await send("pay");
    expect(announced()).toEqual(["created", "resolved", "regressed"]);
    expect((await first()).resolution).toBeNull();
    expect(await activities()).toMatchObject([
      ["status", { before: "unresolved", after: "resolved" }],
      ["regressed", { event_id: expect.stringMatching(/^[0-9a-f]{32}$/) }],
    ]);
  });

  test("ET-240 an event that was received before does not, however late it is digested", async () => {
    await send("pay");
    const inFlight = [event("pay"), event("pay", undefined, clock.nowMs() - hour)];
    await change({ status: "resolved" });
    await clock.advanceBy(hour);
    await digest(...inFlight);
    expect(await state()).toBe("resolved ongoing");
    expect((await first()).event_count).toBe(3);
    expect(announced()).toEqual(["created", "resolved"]);
    await send("pay");
    expect(await state()).toBe("unresolved regressed");
  });

  test("ET-240 ET-233 events that race with the resolution reopen it exactly when they were received later", async () => {
    await send("pay");
    const before = Array.from({ length: 10 }, () => event("pay"));
    await clock.advanceBy(1000);
    const { id } = await first();
    const resolve = () =>
      changeIssues(dependencies(), { projectId, issueIds: [id], change: { status: "resolved" }, actor: "ann" });
    await Promise.all([...before.map((one) => kit.digest.handle([one], uninterrupted)), resolve()]);
    expect(await state()).toBe("resolved ongoing");
    await clock.advanceBy(1000);
    await Promise.all(Array.from({ length: 8 }, () => kit.digest.handle([event("pay")], uninterrupted)));
    expect(await state()).toBe("unresolved regressed");
    expect(announced()).toEqual(["created", "resolved", "regressed"]);
  });

  test("ET-221 ET-233 many workers reopen an issue together, and tell of it once", async () => {
    await send("pay");
    for (let round = 1; round <= 3; round++) {
      await change({ status: "resolved" });
      await clock.advanceBy(1000);
      await Promise.all(
        Array.from({ length: 10 }, () => kit.digest.handle([event("pay"), event("pay")], uninterrupted)),
      );
      expect(announced().filter((type) => type === "regressed")).toHaveLength(round);
      expect(await activities()).toHaveLength(2 * round);
    }
    expect((await first()).event_count).toBe(61);
  });

  test("ET-241 ET-243 resolved in 1.2.0: 1.1.0 stays resolved, 1.2.0 and 1.10.0 reopen", async () => {
    await send("pay", "shop@1.1.0");
    for (const [release, expected] of [
      ["shop@1.1.0", "resolved ongoing"],
      ["shop@1.2.0", "unresolved regressed"],
      ["shop@1.10.0", "unresolved regressed"],
      [undefined, "unresolved regressed"],
    ] as const) {
      await change({ status: "resolved", resolveIn: { kind: "release", release: "shop@1.2.0" } });
      await send("pay", release);
      expect([release, await state()]).toEqual([release, expected]);
    }
    const regressed = kit.published.filter(({ type }) => type.endsWith("issue_regressed"));
    expect(regressed.map(({ data }) => data)).toMatchObject([
      { release: "shop@1.2.0", resolved_in: "shop@1.2.0" },
      { release: "shop@1.10.0", resolved_in: "shop@1.2.0" },
      { resolved_in: "shop@1.2.0" },
    ]);
  });

  test("ET-241 resolved in the current release: the newest one that is known", async () => {
    await send("pay", "1.10.0");
    await send("pay", "1.9.0");
    await change({ status: "resolved", resolveIn: { kind: "current" } });
    await send("pay", "1.9.0");
    expect(await state()).toBe("resolved ongoing");
    await send("pay", "1.10.0");
    expect(await state()).toBe("unresolved regressed");
  });

  test("ET-242 resolved in the next release: the base never reopens, the first newer release settles which one it is", async () => {
    await send("pay", "1.2.0");
    await change({ status: "resolved", resolveIn: { kind: "next" } });
    await send("pay", "1.2.0");
    await send("pay", "1.1.0");
    await send("pay");
    expect(await state()).toBe("resolved ongoing");
    await send("other", "1.3.0");
    expect(JSON.parse((await first()).resolution ?? "")).toEqual({ kind: "release", release: "1.3.0" });
    await send("pay", "1.2.5");
    expect(await state()).toBe("resolved ongoing");
    await send("pay", "1.3.0");
    expect(await state()).toBe("unresolved regressed");
  });

  test("ET-242 an event of the first newer release itself reopens", async () => {
    await send("pay", "1.2.0");
    await change({ status: "resolved", resolveIn: { kind: "next" } });
    await send("pay", "1.3.0");
    expect(await state()).toBe("unresolved regressed");
  });

  test("the first event that names a release makes it; sightings and new issues are counted", async () => {
    await send("pay", "1.0.0");
    await digest(event("pay", "1.0.0"), event("order", "1.0.0"), event("order", "1.1.0"));
    const releases = await db().selectFrom("error_releases").selectAll().orderBy("version").execute();
    expect(releases).toMatchObject([
      { version: "1.0.0", new_issues: 2, commits: "[]" },
      { version: "1.1.0", new_issues: 0 },
    ]);
    expect(releases[0]?.last_event_ms).toBeGreaterThan(releases[0]?.first_event_ms ?? 0);
  });

  test("ET-234 ET-235 an issue is ignored for ever, or until so many events came", async () => {
    await send("pay");
    await change({ status: "ignored" });
    for (let index = 0; index < 5; index++) await send("pay");
    expect(await state()).toBe("ignored ongoing");
    await change({ status: "ignored", ignoreUntil: { events: 3 } });
    await send("pay");
    await send("pay");
    expect(await state()).toBe("ignored ongoing");
    await send("pay");
    expect(await state()).toBe("unresolved ongoing");
    expect(announced()).toEqual(["created", "ignored", "ignored", "unmuted"]);
  });

  test("ET-235 so many events within a window: older ones do not count", async () => {
    await send("pay");
    await change({ status: "ignored", ignoreUntil: { events: 3, windowMs: 10 * minute } });
    for (let index = 0; index < 4; index++) {
      await clock.advanceBy(8 * minute);
      await send("pay");
    }
    expect(await state()).toBe("ignored ongoing");
    await send("pay");
    await send("pay");
    expect(await state()).toBe("unresolved ongoing");
  });

  test("ET-235 ET-244 until it escalates", async () => {
    await send("pay");
    await change({ status: "ignored", ignoreUntil: { escalating: true } });
    await digest(...Array.from({ length: 40 }, () => event("pay")));
    expect(await state()).toBe("ignored ongoing");
    await digest(...Array.from({ length: 20 }, () => event("pay")));
    expect(await state()).toBe("unresolved ongoing");
    expect(announced()).toEqual(["created", "ignored", "unmuted"]);
  });

  test("ET-235 until so many users met it, counted from the time of ignoring", async () => {
    const by = (user: number) =>
      receivedEvent(errorPayload("pay", { timestamp: clock.nowMs() / 1000, user: { id: user } }), {
        projectId,
        receivedAtMs: clock.nowMs(),
      });
    await digest(by(1), by(2), by(3));
    await change({ status: "ignored", ignoreUntil: { users: 3 } });
    await clock.advanceBy(1000);
    await digest(by(1), by(1), by(4));
    expect(await state()).toBe("ignored ongoing");
    await clock.advanceBy(1000);
    await digest(by(2));
    expect(await state()).toBe("unresolved ongoing");
    expect(announced()).toEqual(["created", "ignored", "unmuted"]);
  });

  test("ET-232 resolving clears what an issue was ignored until", async () => {
    await send("pay");
    await change({ status: "ignored", ignoreUntil: { events: 1 } });
    await change({ status: "resolved", resolveIn: { kind: "release", release: "9.0.0" } });
    expect((await first()).ignore_conditions).toBeNull();
    await send("pay", "1.0.0");
    expect(await state()).toBe("resolved ongoing");
  });

  test("ET-246 issues are assigned and linked, with a trace of who did what; the same again leaves none", async () => {
    await send("pay");
    await change({ assignee: "bob", linkUrl: "https://forge.example/issues/1" });
    await change({ assignee: "bob", linkUrl: "https://forge.example/issues/1" });
    await change({ assignee: null });
    expect(await first()).toMatchObject({ assignee: null, link_url: "https://forge.example/issues/1" });
    expect(await activities()).toMatchObject([
      ["assigned", { before: null, after: "bob" }],
      ["linked", { before: null, after: "https://forge.example/issues/1" }],
      ["assigned", { before: "bob", after: null }],
    ]);
  });

  test("ET-246 many issues are changed at once; those of other projects are left alone", async () => {
    await digest(event("a"), event("b"), event("c"));
    const ids = (await issues()).map(({ id }) => id);
    const changed = await change({ status: "resolved" }, [...ids.slice(0, 2), 999_999]);
    expect([...changed.keys()]).toEqual(ids.slice(0, 2));
    expect((await issues()).map(({ status }) => status)).toEqual(["resolved", "resolved", "unresolved"]);
  });

  test("ET-223 ET-277 merging moves hashes to the oldest issue; counts are sums at once, and new events go there", async () => {
    await digest(event("a", "1.0.0"), event("a"), event("b"), event("c", "2.0.0"));
    const before = await issues();
    const survivor = await mergeIssues(dependencies(), {
      projectId,
      issueIds: before.map(({ id }) => id).reverse(),
      actor: "ann",
    });
    expect(survivor).toBe(before[0]?.id);
    expect(await issues()).toMatchObject([
      { event_count: 4, merged_into: null, first_release: "1.0.0", last_release: "2.0.0" },
      { merged_into: survivor },
      { merged_into: survivor },
    ]);
    await send("b");
    expect((await first()).event_count).toBe(5);
    expect(announced()).toEqual(["created", "created", "created", "merged"]);
  });

  test("ET-223 unmerging gives hashes back to their former issue or to a new one; nothing is lost on the way", async () => {
    await digest(event("a"), event("a"), event("b"), event("c"));
    const before = await issues();
    const [a, b, c] = before.map(({ id }) => id);
    const survivor = await mergeIssues(dependencies(), {
      projectId,
      issueIds: before.map(({ id }) => id),
      actor: "ann",
    });
    await send("b");
    const hashes = await db().selectFrom("error_hashes").selectAll().execute();
    const hashOf = (former: number | undefined) =>
      hashes.filter((row) => row.former_issue_id === former).map((row) => row.hash);
    const back = await unmergeIssue(dependencies(), {
      projectId,
      issueId: survivor,
      hashes: hashOf(b),
      to: "former",
      actor: "ann",
    });
    expect(back).toEqual([b]);
    const [made] = await unmergeIssue(dependencies(), {
      projectId,
      issueId: survivor,
      hashes: hashOf(c),
      to: "new",
      actor: "ann",
    });
    expect(await issues()).toMatchObject([
      { id: a, event_count: 2, merged_into: null },
      { id: b, event_count: 2, merged_into: null, title: "ValueError: b failed" },
      { id: c, merged_into: a },
      { id: made, event_count: 1, short_number: 4, title: "ValueError: c failed" },
    ]);
    await send("b");
    await send("c");
    expect((await issues()).map((issue) => issue.event_count)).toEqual([2, 3, 1, 2]);
  });

  test("ET-223 what cannot be merged or split is refused and changes nothing", async () => {
    await digest(event("a"), event("b"));
    const [a, b] = (await issues()).map(({ id }) => id);
    const merge = (...issueIds: number[]) => mergeIssues(dependencies(), { projectId, issueIds, actor: "ann" });
    await expect(merge(a ?? 0)).rejects.toMatchObject({ code: "ET_MERGE_INVALID" });
    await expect(merge(a ?? 0, a ?? 0)).rejects.toMatchObject({ code: "ET_MERGE_INVALID" });
    await expect(merge(...Array.from({ length: 101 }, (_, index) => index + 1))).rejects.toMatchObject({
      code: "ET_MERGE_INVALID",
    });
    await expect(merge(a ?? 0, 999_999)).rejects.toMatchObject({ code: "ET_ISSUE_NOT_FOUND" });
    const hashes = (
      await db()
        .selectFrom("error_hashes")
        .selectAll()
        .where("issue_id", "=", a ?? 0)
        .execute()
    ).map(({ hash }) => hash);
    const unmerge = (list: string[]) =>
      unmergeIssue(dependencies(), { projectId, issueId: a ?? 0, hashes: list, to: "new", actor: "ann" });
    await expect(unmerge(hashes)).rejects.toMatchObject({ code: "ET_UNMERGE_INVALID" });
    await expect(unmerge(["0".repeat(32)])).rejects.toMatchObject({ code: "ET_UNMERGE_INVALID" });
    await merge(a ?? 0, b ?? 0);
    await expect(merge(a ?? 0, b ?? 0)).rejects.toMatchObject({ code: "ET_ISSUE_NOT_FOUND" });
  });

  test("ET-221 ET-223 events, merges, splits and changes at once lose, double and misplace nothing", async () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    await digest(...names.map((name) => event(name)));
    const workers = [kit, ...[1, 2].map(() => createTestDigest(stores, stored, { clock }))];
    const pick = <T>(list: readonly T[], step: number): T | undefined => list[step % list.length];
    const living = async () => (await issues()).filter((issue) => issue.merged_into === null);
    const refusals: unknown[] = [];
    // What another one has merged or split meanwhile is refused; nothing else may go wrong.
    const attempt = async (work: Promise<unknown>): Promise<void> => {
      await work.catch((error: unknown) => refusals.push(error));
    };
    const digests = async (worker: TestDigest, at: number): Promise<void> => {
      for (let step = 0; step < 12; step++) {
        const batch = [step, step + at, step * at].map((which) => event(`${pick([...names, "g", "h"], which)}`));
        expect((await worker.digest.handle(batch, uninterrupted)).failed).toEqual([]);
      }
    };
    const rearranges = async (at: number): Promise<void> => {
      for (let step = at; step < at + 8; step++) {
        const ids = (await living()).map(({ id }) => id);
        const some = [...new Set([pick(ids, step), pick(ids, step * 3 + 1)])].flatMap((id) => id ?? []);
        await attempt(mergeIssues(dependencies(), { projectId, issueIds: some, actor: "ann" }));
        const owned = await db()
          .selectFrom("error_hashes")
          .selectAll()
          .where("issue_id", "=", some[0] ?? 0)
          .execute();
        const hashes = owned.slice(0, 1).map(({ hash }) => hash);
        const to = step % 2 === 0 ? "former" : "new";
        await attempt(unmergeIssue(dependencies(), { projectId, issueId: some[0] ?? 0, hashes, to, actor: "bob" }));
        await changeIssues(dependencies(), { projectId, issueIds: ids, change: { status: "resolved" }, actor: "cleo" });
        await clock.advanceBy(1000);
      }
    };
    await Promise.all([...workers.map((worker, at) => digests(worker, at + 1)), rearranges(0), rearranges(5)]);
    expect(
      refusals.filter((error) => !/^ET_(?:ISSUE_NOT_FOUND|MERGE_INVALID|UNMERGE_INVALID)$/.test(codeOf(error))),
    ).toEqual([]);

    const all = await issues();
    const hashes = await db().selectFrom("error_hashes").selectAll().where("project_id", "=", projectId).execute();
    expect(hashes.reduce((sum, { event_count: events }) => sum + events, 0)).toBe(names.length + 3 * 12 * 3);
    for (const issue of all) {
      const own = hashes.filter(({ issue_id: id }) => id === issue.id);
      expect([issue.id, own.length > 0]).toEqual([issue.id, issue.merged_into === null]);
      expect([issue.id, issue.event_count]).toEqual([
        issue.id,
        issue.merged_into === null ? own.reduce((sum, { event_count: events }) => sum + events, 0) : issue.event_count,
      ]);
      if (issue.merged_into !== null)
        expect(all.find(({ id }) => id === issue.merged_into)).toMatchObject({ merged_into: null });
    }
    expect(all.map(({ short_number: number }) => number).sort((a, b) => a - b)).toEqual(
      all.map((_, index) => index + 1),
    );
    const published = workers.flatMap((worker) => worker.published);
    const created = published.filter(({ type }) => type === "error_tracking.issue_created");
    expect(created).toHaveLength(8);
    const regressions = published.filter(({ type }) => type === "error_tracking.issue_regressed");
    expect(regressions).toHaveLength((await activities()).filter(([kind]) => kind === "regressed").length);
  });

  test("ET-235 ET-223 what was merged or split away does not count as having come since an issue was ignored", async () => {
    await digest(event("a"), ...Array.from({ length: 30 }, () => event("b")));
    const [a, b] = (await issues()).map(({ id }) => id);
    await change({ status: "ignored", ignoreUntil: { events: 3 } }, [a ?? 0]);
    const survivor = await mergeIssues(dependencies(), { projectId, issueIds: [a ?? 0, b ?? 0], actor: "ann" });
    await send("a");
    await send("b");
    expect(await state()).toBe("ignored ongoing");
    const moved = await db()
      .selectFrom("error_hashes")
      .select("hash")
      .where("former_issue_id", "=", b ?? 0)
      .execute();
    const hashes = moved.map(({ hash }) => hash);
    await unmergeIssue(dependencies(), { projectId, issueId: survivor, hashes, to: "former", actor: "ann" });
    expect(await state()).toBe("ignored ongoing");
    await send("a");
    await send("a");
    expect(await state()).toBe("unresolved ongoing");
  });

  test("ET-222 merged issues count each user once", async () => {
    const by = (name: string, user: number) =>
      receivedEvent(errorPayload(name, { timestamp: clock.nowMs() / 1000, user: { id: user } }), {
        projectId,
        receivedAtMs: clock.nowMs(),
      });
    await digest(by("a", 1), by("a", 2), by("b", 2), by("b", 3));
    const ids = (await issues()).map(({ id }) => id);
    const survivor = await mergeIssues(dependencies(), { projectId, issueIds: ids, actor: "ann" });
    expect((await first()).user_count).toBe(3);
    const moved = await db().selectFrom("error_hashes").selectAll().where("former_issue_id", "is not", null).execute();
    const hashes = moved.map(({ hash }) => hash);
    await unmergeIssue(dependencies(), { projectId, issueId: survivor, hashes, to: "former", actor: "ann" });
    expect((await issues()).map((issue) => issue.user_count)).toEqual([2, 2]);
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
