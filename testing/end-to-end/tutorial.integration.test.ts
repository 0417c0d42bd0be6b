import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "../servers/signalbox.js";

const page = readFileSync(new URL("../../docs/tutorial.md", import.meta.url), "utf8");
const program = fileURLToPath(new URL("../../apps/server/dist/main.js", import.meta.url));
// Inside this workspace, so that the example finds the packages by their names.
const cache = fileURLToPath(new URL("../.cache/", import.meta.url));

let clone: string;
let installation: SignalboxInstallation;
let server: SignalboxServer | undefined;
/** What the reader's shell has exported. */
let shell: NodeJS.ProcessEnv;

/** Every block of the page that stands under the name of a file. */
const files = new Map(
  [...page.matchAll(/`(tutorial\/[\w./]+)`:\n\n```\w+\n(.*?)```/gs)].map(([, name = "", content = ""]) => [
    name,
    content,
  ]),
);
/** Every block that is typed in. */
const typed = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, lines = ""]) => lines);

/** Types a block of the page in, in the clone. */
async function type(block: string | undefined): Promise<string> {
  const lines = (block ?? "").replaceAll("npx signalbox", `${process.execPath} ${program}`);
  const { stdout } = await promisify(execFile)("bash", ["-e", "-c", lines], { cwd: clone, env: shell });
  return stdout;
}

/** The exports of the first block, for the server that runs or will run. */
async function exportBy(of: SignalboxInstallation): Promise<void> {
  const block = typed.find((lines) => lines.includes("SENTRY_DSN")) ?? "";
  const exports = block
    .replace(/TRACKER_URL=\S+/, `TRACKER_URL=http://${of.env["SIGNALBOX_LISTEN"]}`)
    .concat("\nenv -0");
  shell = { ...of.env };
  for (const variable of (await type(exports)).split("\0")) {
    const [name = "", value = ""] = variable.split(/=(.*)/s);
    if (["TRACKER_TOKEN", "TRACKER_URL", "SENTRY_DSN"].includes(name)) shell[name] = value;
  }
}

beforeAll(async () => {
  mkdirSync(cache, { recursive: true });
  clone = mkdtempSync(join(cache, "tutorial-"));
  installation = await installSignalbox({ dataDirectory: join(clone, "data") });
});

afterAll(async () => {
  await server?.stop();
  rmSync(clone, { recursive: true, force: true });
});

describe("PF-082 the tutorial does what it says, block by block", () => {
  test("an error", async () => {
    server = await installation.start();
    await exportBy(installation);
    for (const [name, content] of files) {
      mkdirSync(dirname(join(clone, name)), { recursive: true });
      writeFileSync(join(clone, name), content);
    }
    const block = typed.find((lines) => lines.includes("node tutorial/error.mjs"));
    expect(await type(block)).toMatch(/TypeError: Cannot read properties of undefined/);
    await type(block);
    const listed = await installation.command("errors", "list", "--project", "1");
    expect(listed).toMatchObject([{ event_count: 2 }]);
    await server.stop();
  });

  test("a journey that runs out of time because of a subscriber, under one id", async () => {
    const flags = /npm start -- (.*)\n/.exec(page)?.[1]?.split(" ") ?? [];
    const [, definitions = ""] = /SIGNALBOX_EXPERIENCE_DEFINITIONS=(\S+)/.exec(page) ?? [];
    const withShop = await installSignalbox({
      dataDirectory: join(clone, "data"),
      flags: flags.map((flag) => (flag.startsWith("--") ? flag : join(clone, flag))),
      env: { SIGNALBOX_EXPERIENCE_DEFINITIONS: join(clone, definitions) },
    });
    await exportBy(withShop);
    for (const name of ["TRACKER_TOKEN", "TRACKER_URL", "SENTRY_DSN"]) withShop.env[name] = shell[name];
    server = await withShop.start();
    const { output } = server;
    await expect.poll(output, { timeout: 20_000 }).toContain("order 1: charged to DE-1234");
    const [, id = ""] = /order 2: ([0-9A-Z]{26})/.exec(output()) ?? [];
    expect(id, output()).not.toBe("");
    await expect
      .poll(() => type(typed.find((lines) => lines.includes("experience runs"))), { timeout: 30_000 })
      .toContain(id);
    const dead = typed.find((lines) => lines.includes("events dead"));
    await expect.poll(() => type(dead), { timeout: 30_000 }).toContain("payments.charge_card");
    const headers = { authorization: `Bearer ${shell["TRACKER_TOKEN"]}` };
    await expect
      .poll(
        async () => {
          const answer = await fetch(`${server?.url}/api/v1/timeline/${id}`, { headers });
          const { entries } = (await answer.json()) as { entries: { kind: string }[] };
          return [...new Set(entries.map(({ kind }) => kind))].sort();
        },
        { timeout: 30_000 },
      )
      .toEqual(expect.arrayContaining(["error", "event", "journey"]));
    const document = typed.find((lines) => lines.includes("format=markdown"))?.replace("/ID?", `/${id}?`);
    await expect
      .poll(() => type(document), { timeout: 30_000 })
      .toMatch(/ran out of time after 5 s, .*probably because payments\.charge\\_card failed/);
    const runs = await withShop.command("experience", "runs", "--state", "succeeded");
    expect(runs).toHaveLength(1);
  });

  test("a repository", async () => {
    shell["RELAY_URL"] = `ws://${shell["SIGNALBOX_RELAY_LISTEN"]}`;
    expect(await type(typed.find((lines) => lines.includes("announce.mjs")))).toMatch(/^stored: kind 30617/);
  });
});
