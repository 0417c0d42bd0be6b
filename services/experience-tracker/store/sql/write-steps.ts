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

/** Inserts rows with as few statements as its sizes allow. */
type Insert = (rows: readonly SqlValue[][]) => BatchStatement[];

/** Rows of one statement: binding the values of a row costs SQLite less than one more call. */
const rowsTogether = [16, 4, 1];

function insertInto(table: string, columns: string, onConflict = ""): Insert {
  const row = `(${columns.replaceAll(/\w+/g, "?")})`;
  const statements = rowsTogether.map((size) => {
    const rows = Array.from({ length: size }, () => row).join(", ");
    return { size, sql: `insert into ${table} (${columns}) values ${rows} ${onConflict}` };
  });
  return (rows) => {
    let from = 0;
    return statements.map(({ size, sql }) => {
      const executions: SqlValue[][] = [];
      for (; rows.length - from >= size; from += size) executions.push(rows.slice(from, from + size).flat());
      return { sql, rows: executions };
    });
  };
}

const insertRuns = insertInto(
  "experience_runs",
  `${identityColumns}, state, due_at_ms, decided_at_ms, record`,
  `on conflict (${identityColumns}) do update set state = excluded.state, due_at_ms = excluded.due_at_ms,
    decided_at_ms = excluded.decided_at_ms, record = excluded.record`,
);
const insertEntries = insertInto("experience_run_events", `${identityColumns}, event_key, place, entry`);
const insertRecords = insertInto("experience_outbox", "at_ms, record");
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
    const texts: Texts = { ofRun: madeOnce(encodeRun), ofEntry: madeOnce(encodeEntry) };
    const statements: BatchStatement[] = [
      { sql: deleteEntries, rows: this.#forgotten },
      { sql: deleteRun, rows: this.#placeholders },
      ...insertRuns([...this.#runs.values()].map((run) => runValues(run, texts))),
      ...insertEntries(this.#entries.map((written) => entryValues(written, texts))),
      // In one order everywhere: two transactions of one process never wait for each other crosswise.
      { sql: raiseCounter, rows: [...this.#counters].sort().map(([key, change]) => [key, replica, change]) },
      ...insertRecords(publish ? [] : this.#records.map((record) => recordValues(record, texts))),
    ];
    await database.batch(
      statements.filter(({ rows }) => rows.length > 0),
      transaction,
    );
    if (publish && this.#records.length > 0) await publish(this.#records, transaction);
  }
}

/** The text of each run and entry of a group, made once: they are parts of the records, too. */
interface Texts {
  ofRun(run: Run): string;
  ofEntry(entry: TimelineEntry): string;
}

function madeOnce<Value>(encode: (value: Value) => string): (value: Value) => string {
  const texts = new Map<Value, string>();
  return (value) => {
    const text = texts.get(value) ?? encode(value);
    texts.set(value, text);
    return text;
  };
}

function runValues(run: Run, texts: Texts): SqlValue[] {
  return [
    ...identityValues(run.identity),
    run.state,
    run.dueMs ?? null,
    run.verdict?.decidedAtMs ?? null,
    texts.ofRun(run),
  ];
}

function entryValues(
  { run, entry, place }: { run: Run; entry: TimelineEntry; place: number },
  texts: Texts,
): SqlValue[] {
  return [...identityValues(run.identity), entry.eventKey, place, texts.ofEntry(entry)];
}

function recordValues(record: OutboxRecord, texts: Texts): SqlValue[] {
  const { atMs, run, entry } = record;
  return [atMs, encodeRecord(record, texts.ofRun(run), entry && texts.ofEntry(entry))];
}
