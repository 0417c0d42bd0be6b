import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Analytics, migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { errorTrackingAnalytics } from "../migrations/analytics-migrations.js";
import { errorTrackingMigrations } from "../migrations/error-tracking-migrations.js";
import { createProjects, type Projects } from "../projects/projects.js";

const ports = { logger: silentLogger, metrics: noMetrics, clock: systemClock };

export interface TestDatabase {
  readonly database: Database;
  readonly projects: Projects;
  close(): Promise<void>;
}

/** A migrated database with the project 1: a new SQLite file, or the PostgreSQL database at `url`. */
export async function openTestDatabase(url?: string): Promise<TestDatabase> {
  const directory = await mkdtemp(join(tmpdir(), "error-tracking-"));
  const database = await openDatabase({ ...ports, ...(url === undefined ? { path: join(directory, "db") } : { url }) });
  await migrate(database, [errorTrackingMigrations]);
  const projects = createProjects({ database, clock: systemClock, serverUrl: () => "http://localhost:8787" });
  await projects.create("Shop");
  return {
    database,
    projects,
    async close() {
      await database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Starts the engine that a test file has of its own. */
export type StartEngine = () => Promise<{ readonly url: string; stop(): Promise<void> }>;

export interface TestAnalytics {
  readonly analytics: Analytics;
  close(): Promise<void>;
}

/** Migrated analytics: the server at `url`, or chDB in a directory of its own, one per process. */
export async function openTestAnalytics(url?: string): Promise<TestAnalytics> {
  const directory = await mkdtemp(join(tmpdir(), "error-tracking-chdb-"));
  const analytics = await openAnalytics({ ...ports, ...(url === undefined ? { path: directory } : { url }) });
  await migrateAnalytics(analytics, [errorTrackingAnalytics]);
  return {
    analytics,
    async close() {
      await analytics.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
