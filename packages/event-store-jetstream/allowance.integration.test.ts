import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { type ConsumeSpec, eventStoreMigrations } from "@signalbox/event-store";
import { systemClock } from "@signalbox/kernel";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Allowance } from "./allowance.js";
import { jetStreamMigrations } from "./migrations.js";

let directory: string;
let database: Database;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "jetstream-allowance-"));
  database = await openDatabase({ path: join(directory, "events.db") });
  await migrate(database, [eventStoreMigrations, jetStreamMigrations]);
});
afterEach(async () => {
  await database.close();
  rmSync(directory, { recursive: true });
});

const spec: ConsumeSpec = {
  subscriber: "lab.listen",
  maxInFlight: 100,
  leaseMs: 10_000,
  maxTotal: 3,
  perKey: 1,
  rateLimit: null,
  capacity: () => 100,
  limited: () => {},
  hurry: () => {},
};

test("ES-179 a process that tells what it holds while it is granted more does not take that back", async () => {
  const [mine, others] = [new Allowance(database, systemClock), new Allowance(database, systemClock)];
  expect(await mine.acquire(spec, 1)).toBe(1);
  // Both begin with what is held now; whichever is written last stands.
  const [granted] = await Promise.all([mine.acquire(spec, 2), mine.renew()]);
  expect(granted).toBe(2);
  expect(await others.acquire(spec, 3)).toBe(0);
});

test("ES-179 what could not be written is not held", async () => {
  const allowance = new Allowance(database, systemClock);
  await database.run("alter table event_jetstream_permits rename to elsewhere");
  await expect(allowance.acquire(spec, 3)).rejects.toThrow();
  await database.run("alter table elsewhere rename to event_jetstream_permits");
  expect(await allowance.acquire(spec, 3)).toBe(3);
});
