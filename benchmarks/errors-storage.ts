import { stat } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { openAnalytics } from "@signalbox/analytics";
import { type Benchmark, scaled } from "./harness.js";
import { mixedBodies } from "./load/error-mix.js";
import { createSender, drained, takenOf, withInstallation } from "./load/errors-server.js";
import { openRowStore } from "./peers/row-store.js";

const events = scaled(10_000);

export interface TableSize {
  readonly table: string;
  readonly bytes: number;
}

/** What events take on disk once the analytics store has merged its parts, against rows of JSON in SQLite. */
export const errorsStorage: Benchmark = {
  name: "errors-storage",
  proves: ["ET-906"],
  async run(report) {
    await withInstallation({}, async (dataDirectory, install) => {
      const bodies = mixedBodies(0, events);
      const installation = await install();
      const server = await installation.start();
      const taken = takenOf(await (await createSender(installation, server))(bodies));
      await drained(server, taken);
      await server.stop();
      const tables = await mergedSizes(join(dataDirectory, "analytics"));
      const analyticsBytes = tables.reduce((sum, { bytes }) => sum + bytes, 0);
      const { size: databaseBytes } = await stat(join(dataDirectory, "signalbox.db"));

      const rows = await openRowStore(join(dataDirectory, "rows.sqlite"));
      for (const body of bodies) await rows.store(gunzipSync(body));
      const peerBytes = await rows.bytes();
      await rows.close();

      report({
        workload: `${events} events of the mix (mean 8 kB) after merges: bytes on disk for each, all tables of events`,
        measured: { value: analyticsBytes / taken, unit: "bytes" },
        peer: { name: "JSON rows in SQLite", value: peerBytes / events },
        targetRatio: 0.35,
        target: 1_600,
        notes: {
          ...Object.fromEntries(tables.map(({ table, bytes }) => [table, Math.round(bytes / taken)])),
          database_with_settled_queue: Math.round(databaseBytes / taken),
        },
      });
    });
  },
};

export async function mergedSizes(path: string): Promise<TableSize[]> {
  const analytics = await openAnalytics({ path });
  const tables = ["error_events", "error_payloads", "error_users"];
  for (const table of tables) await analytics.command(`OPTIMIZE TABLE ${table} FINAL`);
  const sizes = await analytics.query<{ table: string; bytes: string }>(
    `SELECT table, toString(sum(bytes_on_disk)) AS bytes FROM system.parts
     WHERE active AND database = currentDatabase() AND table LIKE 'error%' GROUP BY table ORDER BY table`,
  );
  await analytics.close();
  return sizes.map(({ table, bytes }) => ({ table, bytes: Number(bytes) }));
}
