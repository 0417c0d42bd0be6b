import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { migrate, type OpenDatabaseOptions, openDatabase } from "@signalbox/database";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import type { TransportPlace } from "@signalbox/testing/transports";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import { createEventStore, type EventStore } from "./event-store.js";
import { describeTransportProcesses } from "./transports/process-contract.js";
import { eventStoreMigrations } from "./transports/sql/migrations.js";
import { createSqlTransport } from "./transports/sql/transport.js";

const folder = dirname(fileURLToPath(import.meta.url));

interface Place {
  readonly target: Pick<OpenDatabaseOptions, "url" | "path">;
  destroy(): Promise<void>;
}

describe("SQLite", () => {
  describeProcesses("SQL on SQLite", async () => {
    const directory = mkdtempSync(join(tmpdir(), "event-store-processes-"));
    return {
      target: { path: join(directory, "events.db") },
      destroy: async () => rmSync(directory, { recursive: true }),
    };
  });
});

const needed = requireServers(["postgres"]);
describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  describeProcesses("SQL on PostgreSQL", async () => ({
    target: { url: await server.createDatabase() },
    destroy: async () => {},
  }));
});

function describeProcesses(name: string, create: () => Promise<Place>): void {
  describeTransportProcesses({
    name,
    module: "@signalbox/testing/transports",
    runner: { describe, test },
    async create() {
      const { target, destroy } = await create();
      const place: TransportPlace = {
        kind: "sql",
        ...(target.url === undefined ? {} : { databaseUrl: target.url }),
        ...(target.path === undefined ? {} : { databasePath: target.path }),
      };
      return { place, destroy };
    },
  });

  describe("what only a transport on the database can promise", () => {
    const Stepped = defineEvent("lab.step_taken", {
      schema: { type: "object", required: ["step"], properties: { step: { type: "integer" } } },
    });

    test("ES-146 a process dies between publish and commit: nothing is ever delivered", async () => {
      const { target, destroy } = await create();
      const database = await openDatabase(target);
      await migrate(database, [eventStoreMigrations]);
      const publisher = startPublisher(target);
      await vi.waitFor(() => expect(publisher.said).toContain("published"), { timeout: 60_000, interval: 5 });
      publisher.process.kill("SIGKILL");
      await publisher.exit;

      const handled: number[] = [];
      const walker = defineSubscriber<{ step: number }>("walks.remember_steps", {
        handle: async ({ data }) => void handled.push(data.step),
      });
      const transport = createSqlTransport({ database });
      const store: EventStore = createEventStore({
        transport,
        source: "/lab",
        configure: (registry) => registry.subscribe(walker, { to: Stepped }),
      });
      await store.start();
      await store.publish(Stepped.create({ step: 2 }));
      await vi.waitFor(() => expect(handled).toEqual([2]), { timeout: 60_000, interval: 20 });
      await vi.waitFor(async () => expect(await transport.subscribers()).toEqual([]), {
        timeout: 60_000,
        interval: 20,
      });
      expect(handled).toEqual([2]);
      await store.stop({ deadlineMs: 1_000 });
      await database.close();
      await destroy();
    });
  });
}

/** A process that publishes in a transaction which it does not live to commit. */
function startPublisher(target: Place["target"]): { process: ChildProcess; said: string[]; exit: Promise<unknown> } {
  const program = `
    import { writeSync } from "node:fs";
    import { openDatabase } from "@signalbox/database";
    import { createEventStore, createSqlTransport, defineEvent, defineSubscriber } from ${JSON.stringify(join(folder, "dist", "index.js"))};
    const database = await openDatabase(${JSON.stringify(target)});
    const Stepped = defineEvent("lab.step_taken", { schema: { type: "object" } });
    const store = createEventStore({
      transport: createSqlTransport({ database }), source: "/lab",
      configure: (registry) => registry.subscribe(defineSubscriber("walks.remember_steps", { handle: async () => {} }), { to: Stepped }),
    });
    await database.transaction(async (transaction) => {
      await store.publish(Stepped.create({ step: 1 }), { transaction });
      writeSync(1, "published\\n");
      await new Promise(() => {});
    }, { timeoutMs: 0 });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said: string[] = [];
  if (child.stdout) createInterface(child.stdout).on("line", (line) => void said.push(line));
  return { process: child, said, exit: new Promise((resolve) => child.once("close", resolve)) };
}
