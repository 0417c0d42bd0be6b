import { createVirtualClock, silentLogger } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { prepareEvent } from "../digest/prepare-event.js";
import { createEdgeLedger } from "../edge/edge-ledger.js";
import { markWritten } from "../store/event-ids.js";
import { recordEvents } from "../store/record-events.js";
import { defaultOptions, unexplained } from "../testing/prepare.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { openTestDatabase, type TestDatabase } from "../testing/stores.js";
import { createHousekeeping } from "./housekeeping.js";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const startMs = Date.UTC(2026, 5, 1);

let stores: TestDatabase;
beforeEach(async () => {
  stores = await openTestDatabase();
});
afterEach(() => stores.close());

const count = async (table: string): Promise<number> => {
  const { rows } = await stores.database.run<{ n: number }>(`select count(*) as n from ${table}`);
  return rows[0]?.n ?? -1;
};

test("housekeeping removes what is old, and never an id whose rows may be missing", async () => {
  const clock = createVirtualClock(startMs);
  const event = (receivedAtMs: number) =>
    prepareEvent(
      receivedEvent({ ...errorPayload("a"), timestamp: receivedAtMs / 1000 }, { receivedAtMs }),
      defaultOptions,
    );
  const record = (receivedAtMs: number, written: boolean) =>
    stores.database.transaction(async (transaction: Transaction<unknown>) => {
      const digested = event(receivedAtMs);
      await recordEvents(stores.database, [digested], receivedAtMs, transaction, unexplained);
      if (written) await markWritten(stores.database, [digested], transaction);
    });
  await record(startMs - 8 * dayMs, true);
  await record(startMs - 8 * dayMs, false);
  await record(startMs - 6 * dayMs, true);
  await record(startMs - hourMs / 2, true);
  expect(await count("error_event_ids")).toBe(4);
  expect(await count("error_hash_minutes")).toBe(3);
  expect(await count("error_issue_positions")).toBe(3);

  const housekeeping = createHousekeeping({ database: stores.database, clock, logger: silentLogger, dedupDays: 7 });
  await housekeeping.start();
  await clock.advanceBy(60_000);
  await expect.poll(() => count("error_event_ids")).toBe(3);
  await expect.poll(() => count("error_hash_minutes")).toBe(1);
  await expect.poll(() => count("error_issue_positions")).toBe(1);
  await housekeeping.stop();
  expect(await count("error_hash_hours")).toBe(3);
});

test("ET-313 check-ins are kept for 30 days", async () => {
  const clock = createVirtualClock(startMs);
  await stores.database.run(
    "insert into error_monitors (id, project_id, slug, created_at_ms) values (1, 1, 'backup', ?)",
    [startMs],
  );
  for (const days of [31, 30.1, 29.9, 0])
    await stores.database.run(
      `insert into error_check_ins (project_id, monitor_id, check_in_id, environment, status, started_at_ms)
      values (1, 1, ?, 'production', 'ok', ?)`,
      [String(days), startMs - days * dayMs],
    );
  const housekeeping = createHousekeeping({ database: stores.database, clock, logger: silentLogger, dedupDays: 7 });
  await housekeeping.start();
  await clock.advanceBy(60_000);
  await expect.poll(() => count("error_check_ins")).toBe(2);
  await housekeeping.stop();
  const { rows } = await stores.database.run("select check_in_id from error_check_ins order by started_at_ms");
  expect(rows).toEqual([{ check_in_id: "29.9" }, { check_in_id: "0" }]);
});

test("outcomes of the edge reach the ledger within a second, receipts with them", async () => {
  const clock = createVirtualClock(startMs);
  const ledger = createEdgeLedger({ database: stores.database, clock, logger: silentLogger });
  const outcome = {
    projectId: 1,
    keyId: 2,
    itemType: "event",
    outcome: "invalid",
    reason: "json",
    quantity: 2,
  } as const;
  await ledger.service.start();
  ledger.record({ ...outcome, category: "error" });
  ledger.record({ ...outcome, category: "error" });
  ledger.record({ ...outcome, category: null });
  await clock.advanceBy(1000);
  ledger.record({ ...outcome, category: "attachment", reason: "too_large" });
  await ledger.service.stop();
  const { rows } = await stores.database.run(
    "select project_id, key_id, category, outcome, reason, quantity from error_ledger order by category, outcome",
  );
  const common = { project_id: 1, key_id: 2 };
  expect(rows).toEqual([
    { ...common, category: "attachment", outcome: "invalid", reason: "too_large", quantity: 2 },
    { ...common, category: "attachment", outcome: "received", reason: "", quantity: 2 },
    { ...common, category: "error", outcome: "invalid", reason: "json", quantity: 4 },
    { ...common, category: "error", outcome: "received", reason: "", quantity: 4 },
  ]);
});
