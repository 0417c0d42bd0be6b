import type { Database } from "@signalbox/database";
import { openDatabase } from "@signalbox/database";
import {
  type Clock,
  createVirtualClock,
  noMetrics,
  silentLogger,
  systemClock,
  type VirtualClock,
} from "@signalbox/kernel";
import { requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ownQuotas } from "../projects/quotas.js";
import { openTestDatabase, type TestDatabase } from "../testing/stores.js";
import { createQuotaWindows, type QuotaWindows } from "./quota-windows.js";
import { createRateLimiter } from "./rate-limiter.js";

const postgres = requireServers(["postgres"]);

function describeWindows(name: string, open: () => Promise<TestDatabase>, openAgain?: () => Promise<Database>): void {
  describe(name, () => {
    let stores: TestDatabase;
    let clock: VirtualClock;
    let processes: { windows: QuotaWindows; stop(): Promise<void> }[] = [];

    beforeEach(async () => {
      stores = await open();
      clock = createVirtualClock();
      processes = [];
    });
    afterEach(async () => {
      for (const { stop } of processes) await stop();
      await stores.close();
    });

    /** The counters of one more process on the same database. */
    const join = async (database = stores.database): Promise<QuotaWindows> => {
      const windows = createQuotaWindows({ database, clock, logger: silentLogger });
      await windows.service.start();
      processes.push({ windows, stop: () => windows.service.stop() });
      return windows;
    };
    const minute = { counter: "project:1:60:error", windowS: 60 };
    /** The clock stands still while the database is looked at, so the merge was begun within a second. */
    const afterASecond = () => clock.advanceBy(999);

    test("ET-093 what several processes count is one sum within a second", async () => {
      const [a, b] = [await join(), await join(await openAgain?.())];
      // A merge that is under way when a second begins is none of it; however often one looks, the minute does not end.
      const aLittleLater = async () => {
        await clock.advanceBy(100);
        return [a.used(minute), b.used(minute)];
      };
      a.add(minute, 3);
      b.add(minute, 4);
      expect([a.used(minute), b.used(minute)]).toEqual([3, 4]);
      await afterASecond();
      await expect.poll(aLittleLater).toEqual([7, 7]);
      a.add(minute, 1);
      b.add(minute, 1);
      await expect.poll(aLittleLater).toEqual([9, 9]);
    });

    test("ET-093 a process that starts again goes on from what was counted a second ago", async () => {
      const first = await join();
      first.add(minute, 10);
      await afterASecond();
      const count = async () =>
        (await stores.database.run<{ used: number }>("select used from error_quota_windows")).rows.map((row) =>
          Number(row.used),
        );
      await expect.poll(count).toEqual([10]);
      first.add(minute, 1);
      // As after kill -9: nothing of it is written.
      const second = await join();
      expect(second.used(minute)).toBe(10);
      expect(second.endsAtMs(minute)).toBe(first.endsAtMs(minute));
    });

    test("ET-090 windows begin at multiples of their length and then count from nothing", async () => {
      const windows = await join();
      const startMs = Math.ceil(clock.nowMs() / 60_000) * 60_000;
      await clock.advanceBy(startMs - clock.nowMs());
      windows.add(minute, 5);
      expect(windows.endsAtMs(minute)).toBe(startMs + 60_000);
      await clock.advanceBy(59_999);
      expect(windows.used(minute)).toBe(5);
      await clock.advanceBy(1);
      expect(windows.used(minute)).toBe(0);
    });

    test("what is over is removed", async () => {
      const windows = await join();
      windows.add(minute, 5);
      await clock.advanceBy(1_000);
      await clock.advanceBy(200_000);
      const left = async () => (await stores.database.run("select counter from error_quota_windows")).rows.length;
      await expect
        .poll(async () => {
          await clock.advanceBy(61_000);
          return left();
        })
        .toBe(0);
    });
  });
}

describeWindows("SQLite", () => openTestDatabase());

describe.skipIf(postgres.skip)(postgres.title("PostgreSQL"), () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  let url: string;
  const others: Database[] = [];
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(async () => {
    for (const database of others) await database.close();
    await server?.stop();
  });
  describeWindows(
    "windows",
    async () => {
      url = await server.createDatabase();
      return openTestDatabase(url);
    },
    async () => {
      const ports = { logger: silentLogger, metrics: noMetrics, clock: systemClock };
      const database = await openDatabase({ ...ports, url });
      others.push(database);
      return database;
    },
  );
});

describe("limiter", () => {
  const fixed = (used: number, nowMs: number) => {
    const windows: QuotaWindows = {
      used: () => used,
      add: () => {},
      endsAtMs: ({ windowS }) => (Math.floor(nowMs / (windowS * 1000)) + 1) * windowS * 1000,
      service: { name: "fixed", start: async () => {}, stop: async () => {} },
    };
    const clock: Clock = { ...systemClock, nowMs: () => nowMs };
    return createRateLimiter({ windows, clock });
  };

  test("ET-092 the limit that ends last is told, counted from now to the end of its window", () => {
    const quotas = ownQuotas("key", 1, [
      { categories: ["error"], limit: 5, windowS: 60 },
      { categories: [], limit: 5, windowS: 3600 },
      { categories: ["session"], limit: 0, windowS: 86_400 },
    ]);
    const limiter = fixed(5, 90_500);
    expect(limiter.take({ projectId: 1, quotas }, "error")).toEqual({
      retryAfterMs: 3_600_000 - 90_500,
      categories: [],
      scope: "key",
      reason: "quota",
    });
    expect(limiter.standing({ projectId: 1, quotas })).toHaveLength(3);
    expect(fixed(4, 90_500).take({ projectId: 1, quotas }, "error")).toBeUndefined();
  });

  test("of two quotas that count the same the lower one holds", () => {
    const [only, ...others] = ownQuotas("project", 1, [
      { categories: ["error", "session"], limit: 10, windowS: 60 },
      { categories: ["session", "error"], limit: 3, windowS: 60 },
    ]);
    expect([only?.limit, others.length]).toEqual([3, 0]);
  });
});
