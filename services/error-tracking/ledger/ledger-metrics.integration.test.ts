import { createPrometheusMetrics } from "@signalbox/http";
import { silentLogger, systemClock } from "@signalbox/kernel";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestSubscriber } from "../digest/pending-events.js";
import { openTestDatabase, type TestDatabase } from "../testing/stores.js";
import { createLedgerMetrics, type QueueSource } from "./ledger-metrics.js";

let stores: TestDatabase;
beforeEach(async () => {
  stores = await openTestDatabase();
});
afterEach(() => stores.close());

/** What a scrape of a new process shows, by the end of the name. */
async function scrape(queue: QueueSource | undefined, options: { disk?: boolean; findings?: boolean } = {}) {
  const metrics = createPrometheusMetrics();
  const tell = createLedgerMetrics({
    database: stores.database,
    clock: systemClock,
    logger: silentLogger,
    metrics,
    queue: () => queue,
    subscribers: [digestSubscriber, "error_tracking.items"],
    isDiskGuardActive: () => options.disk === true,
  });
  if (options.findings)
    tell({ ledger: 1, rows: 2, hours: 0, issues: 0, owners: 0, unfinished: 0, blobs: 0, pending: 0 });
  const { body } = await metrics.exposition();
  const values = [...body.matchAll(/^signalbox_error_tracking_(\S+) (\S+)$/gm)].map(([, name, value]) => [
    name,
    Number(value),
  ]);
  return Object.fromEntries(values);
}

const depth = { ready: 2, scheduled: 1, running: 3, blocked: 0, oldestReadyMs: Date.now() - 60_000 };
const queue: QueueSource = {
  queues: {
    get: async (subscriber) =>
      subscriber === digestSubscriber ? { subscriber, declared: true, paused: false, depth } : null,
  },
  dead: {
    counts: async () =>
      new Map([
        ["error_tracking.digest/error_tracking.event_received", 4],
        ["error_tracking.items/error_tracking.item_received", 1],
        ["somebody.else/error_tracking.issue_created", 9],
      ]),
  },
};

test("ET-404 what waits, what was given up, the disk guard and findings are shown", async () => {
  const shown = await scrape(queue, { disk: true, findings: true });
  expect(shown).toMatchObject({
    pending_messages: 6,
    dead_letters: 5,
    disk_guard_active: 1,
    ledger_imbalance: 0,
    'verify_findings{check="ledger"}': 1,
    'verify_findings{check="rows"}': 2,
    'verify_findings{check="hours"}': 0,
  });
  expect(shown.oldest_pending_seconds).toBeGreaterThanOrEqual(60);
  expect(await scrape(undefined)).toMatchObject({ pending_messages: 0, dead_letters: 0, disk_guard_active: 0 });
});

test("ET-404 a ledger that does not balance shows by how much", async () => {
  const hour = Math.floor(Date.now() / 3_600_000);
  const cell = (category: string, outcome: string, quantity: number) =>
    stores.database.run(
      "insert into error_ledger (project_id, key_id, category, hour, outcome, reason, quantity) values (1, 1, ?, ?, ?, '', ?)",
      [category, hour, outcome, quantity],
    );
  await cell("error", "received", 10);
  await cell("error", "stored", 10);
  expect(await scrape(queue)).toMatchObject({ ledger_imbalance: 0 });
  await cell("session", "received", 3);
  await cell("feedback", "stored", 2);
  // What is too much in one place does not make up for what is missing in another.
  expect(await scrape(queue)).toMatchObject({ ledger_imbalance: 5 });
});
