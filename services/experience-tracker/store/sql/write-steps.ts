import type { BatchStatement, SqlValue, TransactionHandle } from "@signalbox/database";
import {
  type CounterKey,
  type Expiry,
  identityKey,
  type OutboxRecord,
  type Run,
  type TimelineEntry,
} from "@signalbox/experience";
import { encodeEntry, encodeRecord, encodeRun } from "../codec.js";
import type { SqlStoreDependencies } from "./dependencies.js";
import { identityColumns, identityMatch, identityValues } from "./rows.js";

/** A table that rows are written to. Where each row holds much, SQLite takes all of them as one JSON text. */
interface Written {
  readonly one: string;
  readonly together: string;
}

function written(table: string, columns: string, onConflict = ""): Written {
  const places = columns.split(",").map((_, place) => place);
  const one = `insert into ${table} (${columns}) values (${places.map(() => "?").join(", ")}) ${onConflict}`;
  // Without a condition SQLite would take `on conflict` for that of a join.
  const together = `insert into ${table} (${columns})
    select ${places.map((place) => `value ->> ${place}`).join(", ")} from json_each(?) where true order by key ${onConflict}`;
  return { one, together };
}

const runs = written(
  "experience_runs",
  `${identityColumns}, state, due_at_ms, decided_at_ms, record`,
  `on conflict (${identityColumns}) do update set state = excluded.state, due_at_ms = excluded.due_at_ms,
    decided_at_ms = excluded.decided_at_ms, record = excluded.record`,
);
const entries = written("experience_run_events", `${identityColumns}, event_key, place, entry`);
const records = written("experience_outbox", "at_ms, record");
const deleteRun = `delete from experience_runs where ${identityMatch}`;
const deleteEntries = `delete from experience_run_events where ${identityMatch}`;
const raiseCounter = `insert into experience_counters (series_key, shard, value) values (?, ?, ?)
  on conflict (series_key, shard) do update set value = experience_counters.value + excluded.value`;

/** Everything that the steps of one transaction write, gathered so that each table is written once. */
export class StepWrites {
  readonly #runs = new Map<string, Run>();
  readonly #forgotten: SqlValue[][] = [];
  readonly #placeholders: SqlValue[][] = [];
  #entries: { readonly run: Run; readonly entry: TimelineEntry; readonly place: number }[] = [];
  readonly #counters = new Map<CounterKey, number>();
  readonly #records: OutboxRecord[] = [];

  add(step: Expiry, startsAnew = false, entry?: TimelineEntry): void {
    const { run } = step;
    const key = identityKey(run.identity);
    if (startsAnew) {
      this.#forgotten.push([...identityValues(run.identity)]);
      this.#entries = this.#entries.filter((earlier) => identityKey(earlier.run.identity) !== key);
    }
    this.#runs.set(key, run);
    if (entry) this.#entries.push({ run, entry, place: run.recorded });
    for (const counter of step.counts) this.#raise(counter, 1);
    for (const [counter, change] of step.gauges) this.#raise(counter, change);
    this.#records.push(...step.records);
  }

  /** A row that was only made to lock it goes again. */
  dropPlaceholder(identity: Run["identity"]): void {
    this.#placeholders.push([...identityValues(identity)]);
  }

  #raise(key: CounterKey, change: number): void {
    this.#counters.set(key, (this.#counters.get(key) ?? 0) + change);
  }

  async write(transaction: TransactionHandle, dependencies: SqlStoreDependencies): Promise<void> {
    const { database, replica, publish } = dependencies;
    const write = ({ one, together }: Written, rows: readonly SqlValue[][]): BatchStatement =>
      database.engine === "sqlite" && rows.length > 1
        ? { sql: together, rows: [[JSON.stringify(rows)]] }
        : { sql: one, rows };
    const statements: BatchStatement[] = [
      { sql: deleteEntries, rows: this.#forgotten },
      { sql: deleteRun, rows: this.#placeholders },
      write(runs, [...this.#runs.values()].map(runValues)),
      write(entries, this.#entries.map(entryValues)),
      // In one order everywhere: two transactions of one process never wait for each other crosswise.
      { sql: raiseCounter, rows: [...this.#counters].sort().map(([key, change]) => [key, replica, change]) },
      write(records, publish ? [] : this.#records.map((record) => [record.atMs, encodeRecord(record)])),
    ];
    await database.batch(
      statements.filter(({ rows }) => rows.length > 0),
      transaction,
    );
    if (publish && this.#records.length > 0) await publish(this.#records, transaction);
  }
}

function runValues(run: Run): SqlValue[] {
  return [
    ...identityValues(run.identity),
    run.state,
    run.dueMs ?? null,
    run.verdict?.decidedAtMs ?? null,
    encodeRun(run),
  ];
}

function entryValues({ run, entry, place }: { run: Run; entry: TimelineEntry; place: number }): SqlValue[] {
  return [...identityValues(run.identity), entry.eventKey, place, encodeEntry(entry)];
}
