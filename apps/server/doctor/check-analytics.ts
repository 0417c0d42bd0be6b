import { existsSync } from "node:fs";
import { type Analytics, openAnalytics } from "@signalbox/analytics";
import { ulid } from "@signalbox/kernel";
import { lockDataDirectory } from "../data-directory.js";
import { dataPaths } from "../data-paths.js";
import { skewFinding } from "./clock-skew.js";
import { brokenBy, type Check, type Finding, ok, type Patient } from "./finding.js";

const subject = "analytics";

/** chDB belongs to one process: while a server runs it is the server that is asked about it. */
export const checkAnalytics: Check = async (patient) => {
  const { config, clock, server } = patient;
  const url = config.clickhouseUrl?.reveal();
  if (url !== undefined) return examine(patient, () => openAnalytics({ url, clock }));
  const { directory, analytics: path } = dataPaths(config);
  if (server) return [];
  if (!existsSync(path)) return [ok(subject, "chDB's directory will be made by the first start")];
  try {
    // A server that starts meanwhile is told who holds the directory.
    const lock = await lockDataDirectory(directory, clock);
    try {
      return await examine(patient, () => openAnalytics({ path, clock }));
    } finally {
      lock.release();
    }
  } catch (error) {
    return [brokenBy(subject, error)];
  }
};

async function examine({ clock }: Patient, open: () => Promise<Analytics>): Promise<Finding[]> {
  let analytics: Analytics | undefined;
  try {
    analytics = await open();
    await analytics.ping();
    const beforeMs = clock.nowMs();
    const [found] = await analytics.query<{ version: string; now_ms: string }>(
      "SELECT version() AS version, toUnixTimestamp64Milli(now64(3)) AS now_ms",
    );
    const afterMs = clock.nowMs();
    await makeAndDropTable(analytics);
    const name = analytics.engine === "chdb" ? "chDB" : "ClickHouse";
    const answers = ok(subject, `${name} ${found?.version} answers, tables may be made`);
    if (analytics.engine === "chdb") return [answers];
    return [answers, skewFinding(subject, { beforeMs, theirsMs: Number(found?.now_ms), afterMs })];
  } catch (error) {
    return [brokenBy(subject, error, "Let the user of `clickhouse_url` create, read, insert into and drop tables.")];
  } finally {
    await analytics?.close();
  }
}

/** The only way to know that it may be done, whatever the version and however the rights were given. */
async function makeAndDropTable(analytics: Analytics): Promise<void> {
  const table = `signalbox_doctor_${ulid().toLowerCase()}`;
  await analytics.command(`CREATE TABLE ${table} (probe UInt8) ENGINE = MergeTree ORDER BY probe`);
  await analytics.command(`DROP TABLE ${table}`);
}
