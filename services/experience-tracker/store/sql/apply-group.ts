import type { BatchStatement, RunResult, TransactionHandle } from "@signalbox/database";
import {
  type ApplyResult,
  advance,
  type Checkpoint,
  identityKey,
  type Rules,
  type Run,
  type Situation,
  type TimelineEntry,
} from "@signalbox/experience";
import { decodeEntry, decodeRun } from "../codec.js";
import { askClock, clockOf, metaNames, type SqlStoreDependencies } from "./dependencies.js";
import { identityColumns, identityMatch, identityOfRow, identityValues, textOf } from "./rows.js";
import { StepWrites } from "./write-steps.js";

const selectRun = `select ${identityColumns}, record from experience_runs where ${identityMatch} for update`;
const placeholder = `insert into experience_runs (${identityColumns}, state, record) values (?, ?, ?, ?, '', '')
  on conflict do nothing`;
const selectEntry = `select ${identityColumns}, event_key, entry from experience_run_events
  where ${identityMatch} and event_key = ?`;
const selectHold = "select value from experience_meta where name = ?";

/**
 * Runs and entries of a whole group at once, where nothing need be locked: the driver takes longer for a call than SQLite for
 * a row. `place` is that of the checkpoint in the list.
 */
const selectTogether = `select wanted.key as place, runs.record, events.entry
  from json_each(?) as wanted
  cross join experience_runs as runs
    on runs.tenant = wanted.value ->> 0 and runs.experience_id = wanted.value ->> 1
    and runs.correlation_id = wanted.value ->> 2 and runs.run = wanted.value ->> 3
  left join experience_run_events as events
    on events.tenant = runs.tenant and events.experience_id = runs.experience_id
    and events.correlation_id = runs.correlation_id and events.run = runs.run and events.event_key = wanted.value ->> 4`;

/** What the steps of a group begin with. */
interface Known {
  readonly runs: Map<string, Run>;
  /** By identity and event key. */
  readonly entries: Map<string, TimelineEntry>;
  readonly nowMs: number;
  readonly situation: Situation;
}

/** Applies checkpoints in their order inside one transaction. */
export async function applyGroup(
  dependencies: SqlStoreDependencies,
  checkpoints: readonly Checkpoint[],
  transaction: TransactionHandle,
): Promise<ApplyResult[]> {
  const known = await readKnown(dependencies, checkpoints, transaction);
  const writes = new StepWrites();
  const inOutbox = dependencies.publish === undefined;
  const results = checkpoints.map((checkpoint) => applyOne(checkpoint, known, writes, inOutbox));
  if (dependencies.database.engine === "postgres") {
    for (const { identity } of checkpoints)
      if (!known.runs.has(identityKey(identity))) writes.dropPlaceholder(identity);
  }
  await writes.write(transaction, dependencies);
  return results;
}

function applyOne(checkpoint: Checkpoint, known: Known, writes: StepWrites, inOutbox: boolean): ApplyResult {
  const key = identityKey(checkpoint.identity);
  const entryKey = `${key}|${checkpoint.eventKey}`;
  const step = advance(known.runs.get(key), checkpoint, known.nowMs, known.situation, known.entries.get(entryKey));
  if (step.result === "rejected") return step;
  if (step.startsAnew) {
    for (const other of known.entries.keys()) if (other.startsWith(`${key}|`)) known.entries.delete(other);
  }
  known.runs.set(key, step.run);
  if (step.entry) known.entries.set(entryKey, step.entry);
  writes.add(step, step.startsAnew, step.entry);
  const { result, run, answer, anomalies } = step;
  return { result, run, answer, anomalies, outboxed: inOutbox ? step.records.length : 0 };
}

async function readKnown(
  dependencies: SqlStoreDependencies,
  checkpoints: readonly Checkpoint[],
  transaction: TransactionHandle,
): Promise<Known> {
  return dependencies.database.engine === "sqlite"
    ? readTogether(dependencies, checkpoints, transaction)
    : readLocking(dependencies, checkpoints, transaction);
}

async function readTogether(
  dependencies: SqlStoreDependencies,
  checkpoints: readonly Checkpoint[],
  transaction: TransactionHandle,
): Promise<Known> {
  const { database, rules } = dependencies;
  const wanted = checkpoints.map(({ identity, eventKey }) => [...identityValues(identity), eventKey]);
  const statements: BatchStatement[] = [
    { sql: selectTogether, rows: [[JSON.stringify(wanted)]] },
    { sql: selectHold, rows: [[metaNames.holdUntil]] },
    askClock(dependencies),
  ];
  const [rows, holdRows, nowRows] = await database.batch(statements, transaction);
  const runs = new Map<string, Run>();
  const entries = new Map<string, TimelineEntry>();
  for (const row of rows?.rows ?? []) {
    const checkpoint = checkpoints[Number(row["place"])];
    if (!checkpoint) throw new TypeError("A row has no checkpoint");
    const { identity, eventKey } = checkpoint;
    const key = identityKey(identity);
    if (!runs.has(key)) runs.set(key, decodeRun(identity, textOf(row["record"])));
    const entry = textOf(row["entry"]);
    if (entry !== "") entries.set(`${key}|${eventKey}`, decodeEntry(entry));
  }
  return known(runs, entries, rules, holdRows, clockOf(dependencies, nowRows));
}

async function readLocking(
  dependencies: SqlStoreDependencies,
  checkpoints: readonly Checkpoint[],
  transaction: TransactionHandle,
): Promise<Known> {
  const { database, rules } = dependencies;
  const identities = new Map(checkpoints.map(({ identity }) => [identityKey(identity), identityValues(identity)]));
  // In key order, so that two transactions never wait for each other crosswise.
  const rows = [...identities].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, values]) => values);
  const statements: BatchStatement[] = [
    { sql: placeholder, rows },
    { sql: selectRun, rows },
    { sql: selectEntry, rows: checkpoints.map(({ identity, eventKey }) => [...identityValues(identity), eventKey]) },
    { sql: selectHold, rows: [[metaNames.holdUntil]] },
    askClock(dependencies),
  ];
  const [, runRows, entryRows, holdRows, nowRows] = await database.batch(statements, transaction);
  const runs = new Map<string, Run>();
  for (const row of runRows?.rows ?? []) {
    const identity = identityOfRow(row);
    const record = textOf(row["record"]);
    if (record !== "") runs.set(identityKey(identity), decodeRun(identity, record));
  }
  const entries = new Map<string, TimelineEntry>();
  for (const row of entryRows?.rows ?? []) {
    const key = `${identityKey(identityOfRow(row))}|${textOf(row["event_key"])}`;
    entries.set(key, decodeEntry(textOf(row["entry"])));
  }
  return known(runs, entries, rules, holdRows, clockOf(dependencies, nowRows));
}

function known(
  runs: Map<string, Run>,
  entries: Map<string, TimelineEntry>,
  rules: Rules,
  holdRows: RunResult | undefined,
  nowMs: number,
): Known {
  const holdUntilMs = Number(holdRows?.rows[0]?.["value"] ?? 0);
  return { runs, entries, nowMs, situation: { rules, holdUntilMs } };
}
