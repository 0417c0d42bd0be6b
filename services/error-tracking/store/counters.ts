import type { Database, TransactionHandle } from "@signalbox/database";
import { overRows, runOverRows } from "./json-rows.js";

export interface ProjectCounter {
  /** Number of this change among the project's changes. */
  readonly changeSeq: number;
  /** The first short number that is free. */
  readonly nextShortNumber: number;
}

const create = overRows(`
  insert into error_counters (project_id, next_short_number, change_seq)
  select $int(0), 1, 0 from $rows where true
  on conflict (project_id) do nothing`);

const advance = {
  sqlite: advanceStatement("select cast(input.value as bigint) from json_each(?) as input"),
  // Locks in one order: two batches with several projects never wait for each other in a circle.
  postgres: advanceStatement(
    `select project_id from error_counters
     where project_id in (select cast(input.value #>> '{}' as bigint) from json_array_elements(cast(? as json)) as input(value))
     order by project_id for update`,
  ),
};

function advanceStatement(projects: string): string {
  return `update error_counters set change_seq = change_seq + 1 where project_id in (${projects})
    returning project_id, change_seq, next_short_number`;
}

/**
 * Takes the projects for the rest of the transaction and numbers this change of each. Whoever holds a project is
 * alone in making issues and moving counts in it, so what was read before this call must be read again.
 */
export async function lockProjects(
  database: Database,
  projectIds: readonly number[],
  transaction: TransactionHandle,
): Promise<Map<number, ProjectCounter>> {
  const sorted = [...new Set(projectIds)].sort((a, b) => a - b);
  let locked = await advanceAll(database, sorted, transaction);
  if (locked.size < sorted.length) {
    const missing = sorted.filter((id) => !locked.has(id));
    await runOverRows(
      database,
      create,
      missing.map((id) => [id]),
      transaction,
    );
    locked = new Map([...locked, ...(await advanceAll(database, missing, transaction))]);
  }
  return locked;
}

async function advanceAll(
  database: Database,
  projectIds: readonly number[],
  transaction: TransactionHandle,
): Promise<Map<number, ProjectCounter>> {
  if (projectIds.length === 0) return new Map();
  const { rows } = await database.run<{ project_id: number; change_seq: number; next_short_number: number }>(
    advance[database.engine],
    [JSON.stringify(projectIds)],
    transaction,
  );
  return new Map(
    rows.map((row) => [row.project_id, { changeSeq: row.change_seq, nextShortNumber: row.next_short_number }]),
  );
}

const takeNumbers = overRows(`
  update error_counters set next_short_number = next_short_number + taken.quantity
  from (select $int(0) as project_id, $int(1) as quantity from $rows) as taken
  where error_counters.project_id = taken.project_id`);

/** Uses up short numbers of locked projects; gives them back when the transaction is rolled back. */
export async function takeShortNumbers(
  database: Database,
  quantities: ReadonlyMap<number, number>,
  transaction: TransactionHandle,
): Promise<void> {
  await runOverRows(database, takeNumbers, [...quantities], transaction);
}
