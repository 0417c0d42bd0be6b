import { migrate, openDatabase } from "@signalbox/database";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { errorTrackingMigrations } from "../migrations/error-tracking-migrations.js";
import { createProjects } from "../projects/projects.js";

// A server that starts for the first time, as far as its projects go. Argument: where the database is, as JSON.
const place: { readonly path?: string; readonly url?: string } = JSON.parse(process.argv[2] ?? "{}");
const database = await openDatabase({ logger: silentLogger, metrics: noMetrics, clock: systemClock, ...place });
await migrate(database, [errorTrackingMigrations]);
const projects = createProjects({
  database,
  clock: systemClock,
  serverUrl: () => "https://forge.example/signalbox",
});
const project = await projects.ensureDefault();
await database.close();
process.send?.(project?.dsn, () => process.disconnect());
