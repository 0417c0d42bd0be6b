import { type EventStores, scopeOf } from "./find-events.js";
import type { Issue } from "./list-issues.js";

/** How often events of an issue had a value of a tag. */
export interface TagDistribution {
  readonly key: string;
  /** Events with the tag. */
  readonly total: number;
  readonly values: readonly TagValue[];
  /** Events with values beyond those listed. */
  readonly other: number;
}

export interface TagValue {
  readonly value: string;
  readonly events: number;
  readonly lastSeen: string;
}

interface Row {
  readonly tag: string;
  readonly value: string;
  readonly events: string;
  readonly total: string;
  readonly last_seen: string;
}

/** Facts that every event has count as tags, in place of what clients call by their names. */
const facts = ["environment", "level", "release", "platform", "server_name"] as const;

/** The most frequent values of each tag, or of the one named; tags by how many events have them. */
export async function tagDistributions(
  { database, analytics, clock }: EventStores,
  issue: Issue,
  options: { readonly key?: string; readonly maxValues: number },
): Promise<TagDistribution[]> {
  const { key, maxValues } = options;
  const { deleted, ...scope } = await scopeOf(database, issue, clock.nowMs());
  const pairs = facts.map((name) => `('${name}', toString(${name}))`).join(", ");
  const names = facts.map((name) => `'${name}'`).join(", ");
  const rows = await analytics.query<Row>(
    `SELECT tag, value, events, total, last_seen FROM (
      SELECT pair.1 AS tag, pair.2 AS value, sum(sample_weight) AS events, max(timestamp) AS last_seen,
        sum(events) OVER (PARTITION BY tag) AS total,
        row_number() OVER (PARTITION BY tag ORDER BY events DESC, value) AS place
      FROM error_events FINAL
      ARRAY JOIN arrayConcat(
        arrayFilter(tag -> tag.1 NOT IN (${names}), arrayZip(arrayMap(k -> toString(k), tag_keys), tag_values)),
        [${pairs}]) AS pair
      WHERE project_id = {project:UInt64} AND primary_hash IN {hashes:Array(UUID)}
        AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')} ${deleted.sql}
        AND pair.2 <> '' ${key === undefined ? "" : "AND pair.1 = {key:String}"}
      GROUP BY tag, value
    )
    WHERE place <= {values:UInt32}
    ORDER BY total DESC, tag, events DESC, value
    LIMIT 2000
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    { project: issue.project_id, values: maxValues, key, ...scope, ...deleted.params },
    { maxExecutionSeconds: 10, maxMemoryBytes: 512 * 1024 * 1024, maxResultRows: 2000 },
  );
  const byKey = new Map<string, { total: number; values: TagValue[] }>();
  for (const row of rows) {
    const distribution = byKey.get(row.tag) ?? { total: Number(row.total), values: [] };
    distribution.values.push({ value: row.value, events: Number(row.events), lastSeen: row.last_seen });
    byKey.set(row.tag, distribution);
  }
  return [...byKey].map(([name, { total, values }]) => ({
    key: name,
    total,
    values,
    other: total - values.reduce((sum, value) => sum + value.events, 0),
  }));
}
