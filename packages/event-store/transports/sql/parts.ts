import type { BatchStatement, Database, RunResult } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { PendingBounds } from "./bounds.js";
import type { DedupRows } from "./dedup.js";
import type { SqlEngine } from "./engine.js";

/** What the verbs of the SQL transport share. */
export interface SqlParts {
  readonly database: Database;
  readonly engine: SqlEngine;
  readonly clock: Clock;
  readonly bounds: PendingBounds;
  readonly dedup: DedupRows;
}

/** Runs statements where they belong: in a commit of their own, or in a transaction. */
export type Execute = (statements: readonly BatchStatement[]) => Promise<RunResult[]>;
