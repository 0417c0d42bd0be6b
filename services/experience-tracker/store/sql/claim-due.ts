import type { TransactionHandle } from "@signalbox/database";
import { type ClaimResult, expire, type Run, type RunIdentity } from "@signalbox/experience";
import { decodeRun } from "../codec.js";
import { askClock, clockOf, metaNames, type SqlStoreDependencies } from "./dependencies.js";
import { identityColumns, identityMatch, identityOfRow, identityValues, textOf } from "./rows.js";
import { StepWrites } from "./write-steps.js";

const selectDue = `select ${identityColumns}, record from experience_runs
  where due_at_ms is not null and due_at_ms < ? order by due_at_ms, ${identityColumns} limit ?`;
const selectForgotten = `select ${identityColumns} from experience_runs
  where decided_at_ms is not null and decided_at_ms < ? order by decided_at_ms limit ?`;
const selectHold = "select value from experience_meta where name = ?";

/** Records past their retention that go with one claim. */
const forgetAtOnce = 500;

/** Closes what is overdue, and removes what has had its time. Rows that somebody else works on are left to them. */
export async function claimDue(
  dependencies: SqlStoreDependencies,
  limit: number,
  transaction: TransactionHandle,
): Promise<ClaimResult> {
  const { database, rules } = dependencies;
  const locking = database.engine === "postgres" ? " for update skip locked" : "";
  const [holdRows, nowRows] = await database.batch(
    [{ sql: selectHold, rows: [[metaNames.holdUntil]] }, askClock(dependencies)],
    transaction,
  );
  const nowMs = clockOf(dependencies, nowRows);
  const holdUntilMs = Number(holdRows?.rows[0]?.["value"] ?? 0);
  const decided: Run[] = [];
  const failed: { identity: RunIdentity; error: unknown }[] = [];
  const { rows } =
    nowMs > holdUntilMs ? await database.run(`${selectDue}${locking}`, [nowMs, limit], transaction) : { rows: [] };
  const writes = new StepWrites();
  for (const row of rows) {
    const identity = identityOfRow(row);
    try {
      const step = expire(decodeRun(identity, textOf(row["record"])), nowMs, { rules, holdUntilMs });
      if (!step) continue;
      writes.add(step);
      decided.push(step.run);
    } catch (error) {
      failed.push({ identity, error });
    }
  }
  await writes.write(transaction, dependencies);
  const more = rows.length >= limit && decided.length > 0;
  if (!more) await forget(dependencies, nowMs - rules.retentionMs, locking, transaction);
  return { decided, failed, more };
}

async function forget(
  { database }: SqlStoreDependencies,
  decidedBeforeMs: number,
  locking: string,
  transaction: TransactionHandle,
): Promise<void> {
  const { rows } = await database.run(`${selectForgotten}${locking}`, [decidedBeforeMs, forgetAtOnce], transaction);
  if (rows.length === 0) return;
  const identities = rows.map((row) => identityValues(identityOfRow(row)));
  await database.batch(
    [
      { sql: `delete from experience_run_events where ${identityMatch}`, rows: identities },
      { sql: `delete from experience_runs where ${identityMatch}`, rows: identities },
    ],
    transaction,
  );
}
