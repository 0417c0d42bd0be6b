import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type PageToTake, pagesToTake } from "../screenshots/pages.js";
import { takePictures } from "../screenshots/take.js";
import { requireServers } from "../servers/require-servers.js";
import { installSignalbox } from "../servers/signalbox.js";

const needed = requireServers(["chromium"]);
const root = fileURLToPath(new URL("../../", import.meta.url));
const patienceMs = 120_000;

/** `npm run demo` as a newcomer runs it, on ports of its own. */
describe.skipIf(needed.skip)(needed.title("the demo"), () => {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-demo-"));
  let demo: ChildProcess;
  let ended: Promise<unknown>;
  let url: string;
  let token: string;
  let output = "";

  beforeAll(async () => {
    const { env } = await installSignalbox({ dataDirectory: join(directory, "data") });
    url = `http://${env["SIGNALBOX_LISTEN"]}`;
    demo = spawn(process.execPath, [join(root, "scripts", "demo.mjs")], {
      cwd: root,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    ended = new Promise((resolve) => demo.once("exit", resolve));
    for (const stream of [demo.stdout, demo.stderr]) stream?.setEncoding("utf8").on("data", (text) => (output += text));
    // The token stands below everything else that the start prints.
    for (let isReady = false; !isReady || token === ""; ) {
      if (demo.exitCode !== null) throw new Error(`The demo ended:\n${output}`);
      await sleep(250);
      isReady = await fetch(`${url}/-/readiness`).then(
        ({ ok }) => ok,
        () => false,
      );
      token = /^(eyJ\S+)\n/m.exec(output)?.[1] ?? "";
    }
  }, 240_000);

  afterAll(async () => {
    demo?.kill("SIGTERM");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  const ask = async (path: string): Promise<unknown> => {
    const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  };

  /** Every page, once each has something to show. */
  const allPages = async (): Promise<readonly PageToTake[]> =>
    vi.waitFor(() => pagesToTake(ask), { timeout: patienceMs, interval: 500 });

  test("PF-004 it says where the dashboard is and with which token to log in", async () => {
    expect(token).not.toBe("");
    // Standard output and standard error come by two pipes, in whatever order.
    await vi.waitFor(() => expect(output).toContain(`Dashboard       ${url}/`), { timeout: patienceMs });
  });

  test("PF-004 a journey times out because of an exception in a subscriber, and one correlation id has it all", async () => {
    interface Entry {
      readonly kind: string;
      readonly title: string;
      readonly status: string;
      readonly id: string;
      readonly related: readonly string[];
    }
    await vi.waitFor(
      async () => {
        const { runs } = (await ask("/api/v1/experience/runs?state=timed_out")) as {
          runs: { correlation_id: string }[];
        };
        const [run] = runs;
        expect(run).toBeDefined();
        const { entries } = (await ask(`/api/v1/timeline/${run?.correlation_id}`)) as { entries: readonly Entry[] };
        const find = (kind: string, status: string): Entry | undefined =>
          entries.find((entry) => entry.kind === kind && entry.status === status);
        const journey = find("journey", "timed_out");
        const attempt = find("attempt", "dead");
        const error = find("error", "error");
        expect(attempt?.title).toBe("merge_requests.update_head_pipeline/ci.pipeline_created");
        expect(error?.title).toBe("TypeError: The configuration of the pipeline has no stages");
        expect(journey?.related).toEqual(expect.arrayContaining([attempt?.id, error?.id]));
        expect(error?.related).toContain(journey?.id);
      },
      { timeout: patienceMs, interval: 500 },
    );
  });

  test("PF-004 UI-082 every page of the dashboard has a picture to be taken of", async () => {
    const features = join(root, "apps", "dashboard", "features");
    const patterns = readdirSync(features).flatMap((feature) => {
      const file = readdirSync(join(features, feature)).find((name) => /^routes\.tsx?$/.test(name));
      const source = file === undefined ? "" : readFileSync(join(features, feature, file), "utf8");
      return [...source.matchAll(/path: "([^"]+)",\s+lazy:/g)].map(([, path = ""]) => path);
    });
    expect(patterns.length).toBeGreaterThan(15);
    const paths = (await allPages()).map(({ path }) => path.replace(/\?.*/, "").slice(1));
    const missing = patterns.filter((pattern) => {
      const expression = new RegExp(`^${pattern.replaceAll(/\/:\w+\?/g, "(?:/[^/]+)?").replaceAll(/:\w+/g, "[^/]+")}$`);
      return !paths.some((path) => expression.test(path));
    });
    expect(missing).toEqual([]);
  });

  test("PF-004 every page has live data, and none is wider than its window or makes its script throw", async () => {
    const notes = await takePictures({ url, token, folder: directory }, await allPages(), {
      colorScheme: "light",
      width: 1440,
    });
    expect(notes).toEqual([]);
  }, 300_000);

  test("UI-082 one command takes pictures in both themes, wide and on a phone", async () => {
    const folder = join(directory, "pictures");
    const command = spawn(
      process.execPath,
      [
        join(root, "scripts", "screenshots.mjs"),
        ...["--url", url, "--token", token, "--review", folder, "--only", "timeline"],
      ],
      { cwd: root, stdio: "pipe" },
    );
    let said = "";
    for (const stream of [command.stdout, command.stderr])
      stream.setEncoding("utf8").on("data", (text) => (said += text));
    const exitCode = await new Promise((resolve) => command.once("exit", resolve));
    expect([exitCode, said]).toEqual([0, expect.stringContaining("Pictures of 1 pages are in")]);
    expect(readdirSync(folder).sort()).toEqual([
      "timeline-dark-1440.png",
      "timeline-dark-390.png",
      "timeline-light-1440.png",
      "timeline-light-390.png",
    ]);
  }, 300_000);

  test("PF-047 live pages can listen to all topics", async () => {
    const topics = [
      ...["errors.issues", "errors.ledger", "experience.verdicts", "experience.open", "events.queues", "events.dead"],
      ...["events.replays", "relay.peers", "relay.repositories", "system.health"],
    ];
    const abort = new AbortController();
    const answer = await fetch(`${url}/api/v1/stream?topics=${topics.join(",")}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: abort.signal,
    });
    expect(answer.status).toBe(200);
    const heard = new Set<string>();
    const wanted = ["errors.issues", "experience.verdicts", "experience.open", "events.queues", "system.health"];
    for await (const text of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      for (const [, topic = ""] of text.matchAll(/^event: (.+)$/gm)) heard.add(topic);
      if (wanted.every((topic) => heard.has(topic))) break;
    }
    abort.abort();
    expect([...heard]).toEqual(expect.arrayContaining(wanted));
  });
});
