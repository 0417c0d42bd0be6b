import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ask } from "./ask.js";
import { requireServers, startNats, startPostgres, startRedis, type TestServer } from "./index.js";

const kinds = [
  { program: "redis-server", start: startRedis },
  { program: "nats-server", start: startNats },
  { program: "postgres", start: startPostgres },
];

const running: TestServer[] = [];
const helpers: ChildProcess[] = [];
afterEach(async () => {
  for (const helper of helpers.splice(0)) helper.kill("SIGKILL");
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

async function keep<T extends TestServer>(server: Promise<T>): Promise<T> {
  const started = await server;
  running.push(started);
  return started;
}

for (const { program, start } of kinds) {
  const needed = requireServers([program]);
  describe.skipIf(needed.skip)(needed.title(program), () => {
    test("PF-006 several run at once, each on its own port and in its own folder", async () => {
      const [one, other] = await Promise.all([keep(start()), keep(start())]);
      expect(one.port).not.toBe(other.port);
      expect(one.directory).not.toBe(other.directory);
      expect(existsSync(one.directory)).toBe(true);
    });

    test("PF-006 stopping ends the process and removes the folder, also when asked twice", async () => {
      const server = await keep(start());
      const pid = server.pid;
      await Promise.all([server.stop(), server.stop()]);
      await server.stop();
      expect(isAlive(pid)).toBe(false);
      expect(server.pid).toBeUndefined();
      expect(existsSync(server.directory)).toBe(false);
    });

    test("a killed server comes back on the same port", async () => {
      const server = await keep(start());
      const firstPid = server.pid;
      await server.kill();
      expect(server.pid).toBeUndefined();
      await server.restart();
      expect(isAlive(server.pid)).toBe(true);
      expect(server.pid).not.toBe(firstPid);
      expect(server.url).toContain(String(server.port));
    });

    test.each(["SIGKILL", "SIGINT", "SIGTERM"] as const)(
      "PF-006 it ends and its folder goes when the process that started it ends by %s",
      async (signal) => {
        const owner = startOwner(start.name);
        const { pid, directory } = await owner.started;
        expect(isAlive(pid)).toBe(true);
        owner.process.kill(signal);
        await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 30_000, interval: 50 });
        await vi.waitFor(() => expect(existsSync(directory)).toBe(false), { timeout: 30_000, interval: 50 });
      },
    );
  });
}

const redis = requireServers(["redis-server"]);
test.skipIf(redis.skip)(redis.title("what redis-server acknowledged survives its SIGKILL"), async () => {
  const server = await keep(startRedis());
  expect(await ask(server.port, "SET key value\r\n")).toBe("+OK\r\n");
  await server.kill("SIGKILL");
  await server.restart();
  expect(await ask(server.port, "GET key\r\n")).toBe("$5\r\nvalue\r\n");
});

test.skipIf(redis.skip)(redis.title("a server that cannot start says why"), async () => {
  await expect(startRedis({ args: ["--no-such-setting", "1"] })).rejects.toThrow(/no-such-setting/);
});

const postgres = requireServers(["postgres"]);
test.skipIf(postgres.skip)(postgres.title("each database of one postgres is a new one"), async () => {
  const server = await keep(startPostgres());
  const [one, other] = [await server.createDatabase(), await server.createDatabase()];
  expect(one).not.toBe(other);
});

/** A process that starts a server and then waits for its end. */
function startOwner(startName: string): {
  process: ChildProcess;
  started: Promise<{ pid: number; directory: string }>;
} {
  const module = fileURLToPath(new URL("../dist/servers/index.js", import.meta.url));
  const code = `
    import(${JSON.stringify(module)}).then(async (servers) => {
      const server = await servers.${startName}();
      console.log(JSON.stringify({ pid: server.pid, directory: server.directory }));
      setInterval(() => {}, 1000);
    });`;
  const owner = spawn(process.execPath, ["--eval", code], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
  helpers.push(owner);
  const started = new Promise<{ pid: number; directory: string }>((resolve, reject) => {
    owner.stdout.once("data", (data: Buffer) => resolve(JSON.parse(data.toString())));
    owner.once("exit", () => reject(new Error("The owner ended early")));
  });
  return { process: owner, started };
}

/** A process that has ended but was not collected by its parent counts as ended. */
function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
