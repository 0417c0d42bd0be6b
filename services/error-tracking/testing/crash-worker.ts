import { setTimeout as sleep } from "node:timers/promises";
import { defineSubscriber } from "@signalbox/event-store";
import type { DigestStep } from "../digest/digest-metrics.js";
import { issueCreated } from "../events/issue-events.js";
import type { IssueTables } from "../store/tables.js";
import { type OpenServiceOptions, openService } from "./open-service.js";
import { errorPayload, receivedEvent } from "./received-event.js";

/**
 * A worker in a process of its own that kills itself with SIGKILL after a step, or stores everything and prints what is
 * there. Its one argument is JSON.
 */
export interface CrashWorkerOptions {
  readonly database: OpenServiceOptions["database"];
  readonly analytics: OpenServiceOptions["analytics"];
  /** Events to publish before it begins; their names follow on those of the workers before. */
  readonly publish: { readonly from: number; readonly to: number };
  /** After which step it dies; absent: it drains the queue and reports. */
  readonly crashAfter?: DigestStep;
  /** All events that have ever been published. */
  readonly total: number;
}

export interface CrashReport {
  readonly issues: readonly { readonly title: string; readonly events: number; readonly users: number }[];
  readonly shortNumbers: readonly number[];
  readonly states: Readonly<Record<string, number>>;
  readonly ledger: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly payloads: number;
  /** Different `issue_created` events that a subscriber received. */
  readonly announcements: number;
}

export const groupsOfCrashTest = 4;

const options: CrashWorkerOptions = JSON.parse(process.argv[2] ?? "{}");

const announced = defineSubscriber("crash_test.note_issue", {
  async handle(event) {
    await service.database.run("insert into crash_test_announcements (id) values (?) on conflict do nothing", [
      event.id,
    ]);
  },
});

const service = await openService({
  database: options.database,
  analytics: options.analytics,
  limits: { leaseMs: 500 },
  environment: { SIGNALBOX_ERROR_TRACKING_DIGEST_LINGER: "50ms" },
  configure: (registry) => registry.subscribe(announced, { to: issueCreated }),
  onDigestStep(step) {
    if (step !== options.crashAfter) return;
    process.kill(process.pid, "SIGKILL");
    // The signal may need a moment; nothing may happen until then.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
});
await service.database.run("create table if not exists crash_test_announcements (id text primary key)");
if ((await service.errorTracking.projects.list()).length === 0) await service.errorTracking.projects.create("Shop");

for (let index = options.publish.from; index < options.publish.to; index++) {
  const name = `group ${index % groupsOfCrashTest}`;
  await service.eventStore.publish(receivedEvent(errorPayload(name, { user: { id: index % 10 } })));
}
await service.eventStore.start();
const report = await drained();
await service.close();
process.stdout.write(JSON.stringify(report));

async function drained(): Promise<CrashReport> {
  const wait = async (done: () => Promise<boolean>): Promise<void> => {
    while (!(await done())) await sleep(50);
  };
  const count = async (sql: string): Promise<number> =>
    Number((await service.database.run<{ n: number }>(sql)).rows[0]?.n);
  await wait(
    async () => (await count("select count(*) as n from error_event_ids where state = 'written'")) === options.total,
  );
  await wait(async () => (await count("select count(*) as n from crash_test_announcements")) >= groupsOfCrashTest);
  // What was stored already may be delivered once more; that must change nothing.
  await wait(async () => (await count("select count(*) as n from event_deliveries where state <> 3")) === 0);
  return readReport();
}

async function readReport(): Promise<CrashReport> {
  const db = service.database.as<IssueTables>();
  const issues = await db.selectFrom("error_issues").selectAll().orderBy("title").execute();
  const states = await db.selectFrom("error_event_ids").select("state").execute();
  const ledger = await db.selectFrom("error_ledger").selectAll().execute();
  const analytics = async (table: string): Promise<number> => {
    const [row] = await service.analytics.query<{ n: string }>(`SELECT count() AS n FROM ${table} FINAL`);
    return Number(row?.n);
  };
  const noted = await service.database.run("select id from crash_test_announcements");
  return {
    issues: issues.map((issue) => ({ title: issue.title, events: issue.event_count, users: issue.user_count })),
    shortNumbers: issues.map((issue) => issue.short_number).sort((a, b) => a - b),
    states: tally(states.map(({ state }) => [state, 1])),
    ledger: tally(ledger.map(({ outcome, quantity }) => [outcome, quantity])),
    rows: await analytics("error_events"),
    payloads: await analytics("error_payloads"),
    announcements: noted.rows.length,
  };
}

function tally(entries: readonly (readonly [string, number])[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [key, quantity] of entries) sums[key] = (sums[key] ?? 0) + quantity;
  return sums;
}
