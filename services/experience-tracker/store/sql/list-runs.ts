import type { Database } from "@signalbox/database";
import {
  identityKey,
  type ListCursor,
  parseIdentityKey,
  type Run,
  type RunFilter,
  type RunPage,
} from "@signalbox/experience";
import { type RawBuilder, sql } from "kysely";
import { decodeRun } from "../codec.js";
import { identityOfRow, numberOf, textOf } from "./rows.js";

/** Rows read at once, and in all for one page. */
const chunkRows = 500;
const maxRows = 5_000;

export async function listRuns(
  database: Database,
  filter: RunFilter,
  page: { readonly limit: number; readonly after?: ListCursor | undefined },
): Promise<RunPage> {
  const runs: Run[] = [];
  let { after } = page;
  for (let read = 0; read < maxRows; ) {
    const rows = await readChunk(database, filter, after);
    read += rows.length;
    for (const [index, { run, cursor }] of rows.entries()) {
      if (runs.length === page.limit) return { runs, next: after };
      after = cursor;
      if (filter.matches?.(run) ?? true) runs.push(run);
      if (index === rows.length - 1 && rows.length < chunkRows) return { runs, next: undefined };
    }
    if (rows.length === 0) return { runs, next: undefined };
  }
  return { runs, next: after };
}

interface ListedRow {
  readonly run: Run;
  readonly cursor: ListCursor;
}

async function readChunk(database: Database, filter: RunFilter, after: ListCursor | undefined): Promise<ListedRow[]> {
  const { tenant, experienceIds, states, decidedAfterMs } = filter;
  const column = sql.ref(decidedAfterMs === undefined ? "due_at_ms" : "decided_at_ms");
  const conditions: RawBuilder<unknown>[] = [sql`tenant = ${tenant}`, sql`${column} is not null`];
  if (decidedAfterMs !== undefined) conditions.push(sql`decided_at_ms > ${decidedAfterMs}`);
  if (experienceIds) conditions.push(isOneOf("experience_id", experienceIds));
  if (states) conditions.push(isOneOf("state", states));
  if (after) conditions.push(isBehind(column, after, decidedAfterMs !== undefined));
  const order = decidedAfterMs === undefined ? sql`asc` : sql`desc`;
  const { rows } = await sql<Record<string, unknown>>`
    select tenant, experience_id, correlation_id, run, record, ${column} as at_ms from experience_runs
    where ${sql.join(conditions, sql` and `)}
    order by ${column} ${order}, tenant, experience_id, correlation_id, run
    limit ${chunkRows}`.execute(database.reader());
  return rows.map((row) => {
    const identity = identityOfRow(row);
    const cursor = { atMs: numberOf(row["at_ms"]) ?? 0, key: identityKey(identity) };
    return { run: decodeRun(identity, textOf(row["record"])), cursor };
  });
}

function isOneOf(column: string, values: readonly string[]): RawBuilder<unknown> {
  if (values.length === 0) return sql`1 = 0`;
  return sql`${sql.ref(column)} in (${sql.join(values)})`;
}

function isBehind(column: RawBuilder<unknown>, { atMs, key }: ListCursor, descending: boolean): RawBuilder<unknown> {
  const { experienceId, correlationId, run } = parseIdentityKey(key);
  const beyond = descending ? sql`${column} < ${atMs}` : sql`${column} > ${atMs}`;
  return sql`(${beyond} or (${column} = ${atMs}
    and (experience_id, correlation_id, run) > (${experienceId}, ${correlationId}, ${run})))`;
}
