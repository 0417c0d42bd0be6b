import { existsSync } from "node:fs";
import { checkSchema, type Database } from "@signalbox/database";
import { dataPaths } from "../data-paths.js";
import { databaseMigrations } from "../migrations.js";
import { openServerDatabase } from "../stores.js";
import { skewFinding } from "./clock-skew.js";
import { broken, brokenBy, type Check, type Finding, ok, type Patient } from "./finding.js";

const subject = "database";

/** SQLite is opened beside a running server, which it is made for; it is not migrated. */
export const checkDatabase: Check = async (patient) => {
  const { config, clock } = patient;
  const isEmbedded = config.databaseUrl === undefined;
  if (isEmbedded && !existsSync(dataPaths(config).database))
    return [ok(subject, "the SQLite file will be made by the first start")];
  let database: Database | undefined;
  try {
    database = await openServerDatabase(config, { clock });
    await database.ping(AbortSignal.timeout(5_000));
    await checkSchema(database, databaseMigrations);
    return isEmbedded ? await examineSqlite(database) : await examinePostgres(database, patient);
  } catch (error) {
    return [brokenBy(subject, error)];
  } finally {
    await database?.close();
  }
};

async function examineSqlite(database: Database): Promise<Finding[]> {
  const { rows } = await database.run<{ version: string }>("select sqlite_version() as version");
  // Takes the write lock and gives it back.
  await database.transaction(async () => {});
  return [ok(subject, `SQLite ${rows[0]?.version} can be read and written`)];
}

async function examinePostgres(database: Database, { clock }: Patient): Promise<Finding[]> {
  const beforeMs = clock.nowMs();
  const { rows } = await database.run<{ version: string; may_create: number; now_ms: number }>(
    `select current_setting('server_version') as version,
      case when has_schema_privilege(current_schema(), 'CREATE') then 1 else 0 end as may_create,
      cast(extract(epoch from clock_timestamp()) * 1000 as double precision) as now_ms`,
  );
  const [found] = rows;
  if (!found) return [broken(subject, "PostgreSQL does not say who it is", "Check what `database_url` points at.")];
  const rights =
    found.may_create === 1
      ? ok(subject, `PostgreSQL ${found.version} answers, tables may be made`)
      : broken(
          subject,
          `PostgreSQL ${found.version} answers, but its user may not make tables`,
          "GRANT CREATE ON SCHEMA public TO the user of `database_url`.",
        );
  return [rights, skewFinding(subject, { beforeMs, theirsMs: found.now_ms, afterMs: clock.nowMs() })];
}
