import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openSqlite } from "@signalbox/database";
import { type DedupLock, type Delivery, eventStoreMigrations } from "@signalbox/event-store";
import { createVirtualClock } from "@signalbox/kernel";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DedupLocks } from "./dedup.js";
import { jetStreamMigrations } from "./migrations.js";

const lock: DedupLock = { lock: "equal", until: "executed", ttlMs: 600_000, ifDuplicate: "drop" };

let directory: string;
let database: Database;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "jetstream-locks-"));
  database = await openSqlite({ path: join(directory, "events.db") });
  await migrate(database, [eventStoreMigrations, jetStreamMigrations]);
});
afterEach(async () => {
  await database.close();
  rmSync(directory, { recursive: true });
});

test("ES-180 a lock whose delivery is not known to be in the stream can be taken over after 30 s, and not before", async () => {
  const clock = createVirtualClock();
  const locks = new DedupLocks(database, clock);
  // Its process died before it could publish.
  expect(await locks.take(delivery("first"), lock)).toBe("taken");
  await clock.advanceBy(29_999);
  expect(await locks.take(delivery("second"), lock)).toBe("held");
  expect(await locks.take(delivery("first"), lock)).toBe("own");
  await clock.advanceBy(1);
  expect(await locks.take(delivery("second"), lock)).toBe("taken");
  await locks.confirm(delivery("second"), lock);
  await clock.advanceBy(lock.ttlMs - 1);
  expect(await locks.take(delivery("third"), lock)).toBe("held");
  await clock.advanceBy(1);
  expect(await locks.take(delivery("third"), lock)).toBe("taken");
});

function delivery(id: string): Delivery {
  const subscription = "lab.listen/lab.bell_rung";
  return {
    id: `${id}.${subscription}`,
    subscriber: "lab.listen",
    subscription,
    eventType: "lab.bell_rung",
    body: "{}",
    key: null,
    perKey: 1,
    dueAtMs: 0,
    maxPending: null,
    dedup: lock,
  };
}
