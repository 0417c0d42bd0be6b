import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openChdb } from "./chdb.js";

const chdb = new URL("./dist/chdb.js", import.meta.url).href;

let directory: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "signalbox-chdb-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL")) await ended;
  }
  await rm(directory, { recursive: true });
});

/** A process that runs `work`, and the lines that it prints. */
function run(work: string): {
  child: ChildProcess;
  pid: number;
  lines: AsyncIterator<string>;
  ended: Promise<unknown>;
} {
  const program = `
    import { openChdb } from ${JSON.stringify(chdb)};
    const directory = ${JSON.stringify(directory)};
    const say = (text) => new Promise((resolve) => process.stdout.write(text + "\\n", resolve));
    ${work}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, pid: child.pid ?? 0, lines, ended };
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error("The process said nothing more");
  return value;
}

const holdTheEngine = `
  const analytics = await openChdb({ path: directory });
  await say("open");
  setInterval(() => {}, 1000);`;

describe("chDB and processes", () => {
  test.each(["SIGABRT", "SIGSEGV"] as const)(
    "PF-015 %s ends the process at once, as without the engine",
    async (signal) => {
      const { child, lines, ended } = run(holdTheEngine);
      await nextLine(lines);
      child.kill(signal);
      expect(await ended).toBe(signal);
    },
  );

  test("PF-015 an abort of the process ends it at once", async () => {
    const { ended } = run(`
      await openChdb({ path: directory });
      process.abort();`);
    expect(await ended).toBe("SIGABRT");
  });

  test("PF-062 every acknowledged row is there after kill -9, and the directory opens without ado", async () => {
    for (let round = 0; round < 2; round++) {
      const { child, lines, ended } = run(`
        const analytics = await openChdb({ path: directory });
        await analytics.command("CREATE TABLE IF NOT EXISTS rows (round UInt8, a UInt32) ENGINE = MergeTree ORDER BY a");
        for (let a = 0; ; a++) {
          await analytics.insert("rows", [{ round: ${round}, a }, { round: ${round}, a: a + 1000000 }]);
          await say(String(a));
        }`);
      let acknowledged = -1;
      while (acknowledged < 30) acknowledged = Number(await nextLine(lines));
      child.kill("SIGKILL");
      expect(await ended).toBe("SIGKILL");
      for (let line = await lines.next(); line.done !== true; line = await lines.next())
        acknowledged = Number(line.value);

      const analytics = await openChdb({ path: directory });
      const rows = await analytics.query<{ a: number }>(
        "SELECT a FROM rows WHERE round = {round:UInt8} AND a < 1000000 ORDER BY a",
        { round },
      );
      const [other] = await analytics.query(
        "SELECT count() AS rows FROM rows WHERE round = {round:UInt8} AND a >= 1000000",
        {
          round,
        },
      );
      await analytics.close();
      // One more may have been written and not yet acknowledged.
      expect(rows.length).toBeGreaterThan(acknowledged);
      expect(rows.length).toBeLessThanOrEqual(acknowledged + 2);
      expect(rows.map((row) => row.a)).toEqual(rows.map((_, index) => index));
      expect(other).toEqual({ rows: String(rows.length) });
    }
  });

  test("PF-062 a second process is refused and told which one holds the engine", async () => {
    const holder = run(holdTheEngine);
    expect(await nextLine(holder.lines)).toBe("open");
    await expect(openChdb({ path: directory })).rejects.toMatchObject({
      name: "AnalyticsError",
      code: "ANALYTICS_LOCKED",
      retryable: false,
      message: `Process ${holder.pid} holds the embedded analytics engine in ${directory}`,
      details: { pid: holder.pid },
    });
  });

  test("PF-062 the engine of a process that died is taken over", async () => {
    const holder = run(holdTheEngine);
    expect(await nextLine(holder.lines)).toBe("open");
    holder.child.kill("SIGKILL");
    await holder.ended;
    expect(await readFile(join(directory, "status"), "utf8")).toContain(`PID: ${holder.pid}`);
    const analytics = await openChdb({ path: directory });
    await analytics.ping();
    await analytics.close();
  });

  test("a note of a living process without its lock means nothing", async () => {
    await writeFile(join(directory, "status"), `PID: ${process.ppid}\n`);
    const analytics = await openChdb({ path: directory });
    await analytics.ping();
    await analytics.close();
  });

  test("the same process may open a directory twice; the second stays when the first is closed", async () => {
    const [one, other] = await Promise.all([openChdb({ path: directory }), openChdb({ path: directory })]);
    await one.command("CREATE TABLE rows (a UInt8) ENGINE = MergeTree ORDER BY a");
    await one.insert("rows", [{ a: 1 }]);
    await one.close();
    expect(await other.query("SELECT a FROM rows")).toEqual([{ a: 1 }]);
    await other.close();
  });

  test("a directory that cannot be opened is named", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    await expect(openChdb({ path: file })).rejects.toMatchObject({
      code: "ANALYTICS_OPEN_FAILED",
      details: { path: file },
    });
  });

  test("PF-062 a worker thread is refused instead of ending the process", async () => {
    const work = `
      import { parentPort } from "node:worker_threads";
      const { openChdb } = await import(${JSON.stringify(chdb)});
      const opened = openChdb({ path: ${JSON.stringify(directory)} });
      parentPort.postMessage(await opened.then(() => "opened", (error) => error.code));`;
    const { lines, ended } = run(`
      import { Worker } from "node:worker_threads";
      const worker = new Worker(${JSON.stringify(work)}, { eval: true });
      worker.once("message", (text) => say(text));
      worker.once("error", (error) => say(String(error)));`);
    expect(await nextLine(lines)).toBe("ANALYTICS_MAIN_THREAD_ONLY");
    expect(await ended).toBe(0);
  });

  test("PF-062 the process ends by itself and in order when the engine was closed under load", async () => {
    const { lines, ended } = run(`
      const analytics = await openChdb({ path: directory });
      await analytics.command("CREATE TABLE rows (a UInt32) ENGINE = MergeTree ORDER BY a");
      const work = Array.from({ length: 50 }, (_, a) => [analytics.insert("rows", [{ a }]), analytics.query("SELECT sleep(0.05)")]);
      const abort = new AbortController();
      const abandoned = analytics.query("SELECT sleep(1)", {}, { signal: abort.signal }).catch(() => {});
      setTimeout(() => abort.abort(), 20);
      await analytics.close();
      await Promise.all([...work.flat(), abandoned]);
      await say("closed");`);
    expect(await nextLine(lines)).toBe("closed");
    expect(await ended).toBe(0);
  });
});
