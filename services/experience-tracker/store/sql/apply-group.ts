import type { BatchStatement, TransactionHandle } from "@signalbox/database";
import {
  type ApplyResult,
  advance,
  type Checkpoint,
  identityKey,
  type Run,
  type Situation,
  type TimelineEntry,
} from "@signalbox/experience";
import { decodeEntry, decodeRun } from "../codec.js";
import { askClock, clockOf, metaNames, type SqlStoreDependencies } from "./dependencies.js";
import { identityColumns, identityMatch, identityOfRow, identityValues, textOf } from "./rows.js";
import { StepWrites } from "./write-steps.js";

const selectRun = `select ${identityColumns}, record from experience_runs where ${identityMatch}`;
const placeholder = `insert into experience_runs (${identityColumns}, state, record) values (?, ?, ?, ?, '', '')
  on conflict do nothing`;
const selectEntry = `select ${identityColumns}, event_key, entry from experience_run_events
  where ${identityMatch} and event_key = ?`;
const selectHold = "select value from experience_meta where name = ?";

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
  const results = checkpoints.map((checkpoint) => applyOne(checkpoint, known, writes));
  if (dependencies.database.engine === "postgres") {
    for (const { identity } of checkpoints)
      if (!known.runs.has(identityKey(identity))) writes.dropPlaceholder(identity);
  }
  await writes.write(transaction, dependencies);
  return results;
}

function applyOne(checkpoint: Checkpoint, known: Known, writes: StepWrites): ApplyResult {
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
  return { result, run, answer, anomalies, outboxed: step.records.length };
}

async function readKnown(
  dependencies: SqlStoreDependencies,
  checkpoints: readonly Checkpoint[],
  transaction: TransactionHandle,
): Promise<Known> {
  const { database, rules } = dependencies;
  const postgres = database.engine === "postgres";
  const identities = new Map(checkpoints.map(({ identity }) => [identityKey(identity), identityValues(identity)]));
  // In key order, so that two transactions never wait for each other crosswise.
  const rows = [...identities].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, values]) => values);
  const statements: BatchStatement[] = [
    { sql: placeholder, rows: postgres ? rows : [] },
    { sql: postgres ? `${selectRun} for update` : selectRun, rows },
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
  return {
    runs,
    entries,
    nowMs: clockOf(dependencies, nowRows),
    situation: { rules, holdUntilMs: Number(holdRows?.rows[0]?.["value"] ?? 0) },
  };
}
