import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type OpenDatabaseOptions, openDatabase } from "./open-database.js";

const folder = dirname(fileURLToPath(import.meta.url));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

describe("SQLite", () => {
  describeProcesses(async () => {
    const directory = mkdtempSync(join(tmpdir(), "signalbox-processes-"));
    return {
      target: { path: join(directory, "signalbox.db") },
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
  describeProcesses(async () => ({ target: { url: await server.createDatabase() }, destroy: async () => {} }));
});

interface Place {
  readonly target: Pick<OpenDatabaseOptions, "url" | "path">;
  destroy(): Promise<void>;
}

function describeProcesses(create: () => Promise<Place>): void {
  let place: Place;
  beforeAll(async () => {
    place = await create();
  });
  afterAll(() => place.destroy());
  afterEach(async () => {
    const database = await openDatabase(place.target);
    for (const table of ["log", "signalbox_migrations"]) await database.run(`drop table if exists ${table}`);
    await database.close();
  });

  test("PF-060 three processes that migrate at once apply each migration once, and all of them end well", async () => {
    const servers = [1, 2, 3].map(() =>
      startChild(
        place,
        `
        await ready();
        const applied = await migrate(database, [{ name: "log", migrations: [
          { name: "create", up: (db) => db.schema.createTable("log").addColumn("entry", "text").execute() },
          { name: "fill", async up(db) {
            await new Promise((resolve) => setTimeout(resolve, 300));
            await db.insertInto("log").values({ entry: "filled" }).execute();
          } },
        ] }]);
        say(applied.length);
        await database.close();`,
      ),
    );
    await Promise.all(servers.map((server) => server.isReady()));
    for (const server of servers) server.go();
    expect(await Promise.all(servers.map((server) => server.exitCode))).toEqual([0, 0, 0]);
    const applied = servers.flatMap((server) => server.said.map(Number));
    expect(applied.reduce((sum, count) => sum + count, 0)).toBe(2);
    expect(await readLog(place)).toEqual(["filled"]);
  });

  test("PF-060 two processes write to the same data at once", async () => {
    await createLog(place);
    const writers = ["a", "b"].map((writer) =>
      startChild(
        place,
        `
        await ready();
        await Promise.all(Array.from({ length: 100 }, (_, index) =>
          database.transaction(async (transaction) => {
            await transaction.insertInto("log").values({ entry: "${writer}" + index }).execute();
            await new Promise((resolve) => setImmediate(resolve));
          })));
        await database.close();`,
      ),
    );
    await Promise.all(writers.map((writer) => writer.isReady()));
    for (const writer of writers) writer.go();
    expect(await Promise.all(writers.map((writer) => writer.exitCode))).toEqual([0, 0]);
    expect(new Set(await readLog(place)).size).toBe(200);
  });

  test("PF-061 every write that was answered is there after SIGKILL", async () => {
    await createLog(place);
    const writer = startChild(
      place,
      `
      await ready();
      let next = 0;
      for (let caller = 0; caller < 20; caller++) void (async () => {
        for (;;) {
          const entry = "entry " + next++;
          if (caller % 2 === 0) await database.runMany("insert into log (entry) values (?)", [[entry]]);
          else await database.commitTogether((transaction) =>
            transaction.insertInto("log").values({ entry }).execute());
          say(entry);
        }
      })();`,
    );
    await writer.isReady();
    writer.go();
    await vi.waitFor(() => expect(writer.said.length).toBeGreaterThan(300), { timeout: 30_000, interval: 1 });
    writer.process.kill("SIGKILL");
    await writer.exitCode;
    const written = new Set(await readLog(place));
    expect(writer.said.filter((entry) => !written.has(entry))).toEqual([]);
  });
}

async function createLog(place: Place): Promise<void> {
  const database = await openDatabase(place.target);
  await database.run("create table log (entry text)");
  await database.close();
}

async function readLog(place: Place): Promise<string[]> {
  const database = await openDatabase(place.target);
  const { rows } = await database.run<{ entry: string }>("select entry from log");
  await database.close();
  return rows.map((row) => row.entry);
}

interface Child {
  readonly process: ChildProcess;
  /** Lines of `say`. */
  readonly said: string[];
  readonly exitCode: Promise<number | null>;
  /** Resolves when the child waits in `ready()`. */
  isReady(): Promise<void>;
  go(): void;
}

/** A process that opens the database of `place` and runs `code`, which waits in `ready()` for our `go()`. */
function startChild(place: Place, code: string): Child {
  const program = `
    import { writeSync } from "node:fs";
    import { once } from "node:events";
    import { migrate, openDatabase } from ${JSON.stringify(join(folder, "dist", "index.js"))};
    const say = (text) => writeSync(1, text + "\\n");
    const ready = async () => { say("ready"); await once(process.stdin, "data"); process.stdin.unref(); };
    const database = await openDatabase(${JSON.stringify(place.target)});
    ${code}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: folder,
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  const said: string[] = [];
  let ready = false;
  createInterface(child.stdout).on("line", (line) => {
    if (line === "ready") ready = true;
    else said.push(line);
  });
  return {
    process: child,
    said,
    exitCode: new Promise((resolve) => child.once("close", resolve)),
    isReady: () => vi.waitFor(() => expect(ready).toBe(true), { timeout: 60_000, interval: 5 }),
    go: () => void child.stdin.write("go\n"),
  };
}
