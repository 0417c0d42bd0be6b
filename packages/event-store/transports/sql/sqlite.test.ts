import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openSqlite } from "@signalbox/database";
import { afterAll, describe, test } from "vitest";
import { describeTransport } from "../contract.js";
import { eventStoreMigrations } from "./migrations.js";
import { createSqlTransport } from "./transport.js";

describeTransport({
  name: "SQL on SQLite",
  runner: { describe, test, afterAll },
  async create(clock) {
    const directory = await mkdtemp(join(tmpdir(), "event-store-"));
    const databases: Database[] = [await openSqlite({ path: join(directory, "events.db") })];
    const [database] = databases;
    if (!database) throw new Error("no database");
    await migrate(database, [eventStoreMigrations]);
    // A file of its own connection, as another process would have it.
    const second = await openSqlite({ path: join(directory, "events.db") });
    databases.push(second);
    const transport = createSqlTransport({ database, clock });
    return {
      transport,
      another: () => createSqlTransport({ database: second, clock }),
      async destroy() {
        await transport.close();
        for (const one of databases) await one.close();
        await rm(directory, { recursive: true, force: true });
      },
    };
  },
});
