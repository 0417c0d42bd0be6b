import type { Database } from "@signalbox/database";
import type { EventStore } from "@signalbox/event-store";
import type { Clock } from "@signalbox/kernel";

/** Schemas by type and version, those of older releases too: envelopes that are kept refer to them. */
export interface Schemas {
  /** Remembers the schemas of a store; of one version the latest is kept. */
  remember(definitions: EventStore["definitions"]): Promise<void>;
  /** JSON text; `null` for a version that never was. */
  find(type: string, version: number): Promise<string | null>;
  /** Remembered versions by type, ascending. */
  versions(types: readonly string[]): Promise<ReadonlyMap<string, readonly number[]>>;
}

export function createSchemas(database: Database, clock: Clock): Schemas {
  return {
    async remember(definitions) {
      const nowMs = clock.nowMs();
      await database.runMany(
        `insert into event_schemas (type, version, schema, seen_at_ms) values (?, ?, ?, ?)
         on conflict (type, version) do update set schema = excluded.schema, seen_at_ms = excluded.seen_at_ms`,
        definitions.map(({ type, version, schema }) => [type, version, JSON.stringify(schema), nowMs]),
      );
    },

    async find(type, version) {
      const { rows } = await database.run("select schema from event_schemas where type = ? and version = ?", [
        type,
        version,
      ]);
      return rows[0] ? String(rows[0]["schema"]) : null;
    },

    async versions(types) {
      const found = new Map<string, number[]>();
      if (types.length === 0) return found;
      const places = types.map(() => "?").join(", ");
      const { rows } = await database.run(
        `select type, version from event_schemas where type in (${places}) order by version`,
        types,
      );
      for (const row of rows) {
        const type = String(row["type"]);
        const versions = found.get(type) ?? [];
        versions.push(Number(row["version"]));
        found.set(type, versions);
      }
      return found;
    },
  };
}
