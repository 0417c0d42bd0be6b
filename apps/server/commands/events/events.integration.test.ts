import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { migrate, openDatabase } from "@signalbox/database";
import { eventReceived } from "@signalbox/error-tracking";
import { createEventStore, createSqlTransport, defineSubscriber } from "@signalbox/event-store";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../command-line.js";
import { databaseMigrations } from "../../migrations.js";
import { newEventId, type ProgramEnd, program, runProgram, startProgram, temporaryDirectory } from "../../testing.js";

let directory: ReturnType<typeof temporaryDirectory>;
let installation: SignalboxInstallation;
let server: SignalboxServer | undefined;
let ids: readonly string[];

const subscription = "error_tracking.digest/error_tracking.event_received";

beforeAll(async () => {
  directory = temporaryDirectory();
  const dataDirectory = join(directory.path, "data");
  installation = await installSignalbox({ dataDirectory, flags: ["--quiet"] });
  expect((await events("list")).exitCode).toBe(0);
  ids = await failToPublish(join(dataDirectory, "signalbox.db"), 3);
});

afterAll(async () => {
  await server?.stop();
  directory?.remove();
});

/** Runs a command in this process, which is a second faster than in one of its own. */
async function events(...args: string[]): Promise<ProgramEnd> {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await runCommandLine(["events", ...args], {
    env: installation.env,
    isTerminal: false,
    out: (line) => void out.push(`${line}\n`),
    err: (line) => void err.push(`${line}\n`),
    ready: () => {},
    exit: () => {},
    kill: () => {},
  });
  return { exitCode, out: out.join(""), err: err.join("") };
}

async function json(...args: string[]) {
  const { exitCode, out, err } = await events(...args, "--json");
  expect(exitCode, err).toBe(0);
  return JSON.parse(out);
}

/** Errors that were sent while a condition was broken: dead letters that the real digest can handle. */
async function failToPublish(path: string, count: number): Promise<string[]> {
  const database = await openDatabase({ path, logger: silentLogger, metrics: noMetrics, clock: systemClock });
  await migrate(database, databaseMigrations);
  const store = createEventStore({
    transport: createSqlTransport({ database }),
    source: "/signalbox",
    errors: { condition: "report" },
    configure(registry) {
      registry.subscribe(defineSubscriber<unknown>("error_tracking.digest", { handle: async () => {} }), {
        to: eventReceived,
        if() {
          throw new RangeError("the condition is broken");
        },
      });
    },
  });
  const published: string[] = [];
  for (let index = 0; index < count; index++) {
    const eventId = newEventId();
    const content = JSON.stringify({ event_id: eventId, platform: "node", message: `hello ${index}` });
    const event = eventReceived.create(
      {
        project_id: 1,
        key_id: 1,
        event_id: eventId,
        received_at: new Date().toISOString(),
        client_address: "203.0.113.7",
        payload: { encoding: "text", content, bytes: Buffer.byteLength(content) },
        attachments: [],
      },
      { id: `et:1:${eventId}` },
    );
    await store.publish(event);
    published.push(event.id);
  }
  await store.stop();
  await database.close();
  return published;
}

const letterOf = (id: string | undefined): string => `${id}.${subscription}`;

describe("without a server", () => {
  test("ES-450 events, subscribers and what waits are listed, as text and as the manifest", async () => {
    const { out } = await events("list", "--context", "error_tracking");
    expect(out).toMatch(/^error_tracking\.event_received +1 +error-tracking +error_tracking\.digest$/m);
    expect(out).toMatch(/^error_tracking\.digest +active +0 +0 +0 +0$/m);
    expect(out).not.toContain("git_relay");
    const manifest = await json("list");
    expect(manifest).toMatchObject({ transport: { name: "sql (SQLite)" }, limits: { slots: 64 } });
    expect(manifest.events).toContainEqual(expect.objectContaining({ type: "error_tracking.event_received" }));
    expect(manifest.subscriptions).toContainEqual(
      expect.objectContaining({ id: subscription, options: expect.objectContaining({ urgency: "high" }) }),
    );
    expect(manifest.queues).toContainEqual(expect.objectContaining({ subscriber: "error_tracking.digest" }));
    expect((await json("list", "--noise")).queues[0].subscriptions[0].noise).toMatchObject({ runs: 0, advice: null });
    expect((await events("list", "--noise")).out).toMatch(/^error_tracking\.digest\/\S+ +0\.0 µs +0$/m);
    expect((await events("list", "--orphans")).out).toBe("Nothing was left behind\n");
  });

  test("ES-453 dead letters are listed, grouped, shown and filtered", async () => {
    const letters = await json("dead");
    expect(letters.map(({ id }: { id: string }) => id).toSorted()).toEqual(ids.map(letterOf).toSorted());
    expect((await events("dead")).out).toContain("RangeError: the condition is broken");
    expect(await json("dead", "--groups")).toMatchObject([{ count: 3, subscriptions: [subscription] }]);
    expect((await events("dead", "--text", "no such text")).out).toBe("There are no such dead letters\n");
    expect(await json("dead", "--since", "1h", "--reason", "condition_error", "--limit", "2")).toHaveLength(2);
    expect(await json("dead", "--until", "1h")).toEqual([]);
    const shown = await events("dead", letterOf(ids[0]));
    expect(shown.out).toContain('"client_address": "203.0.113.7"');
    expect(await events("dead", "nothing")).toMatchObject({ exitCode: 1, err: "There is no dead letter nothing\n" });
  });

  test("ES-455 why tells what queues, letters and the log know", async () => {
    const { out, exitCode } = await events("why", ids[0] ?? "");
    expect(exitCode).toBe(0);
    expect(out).toMatch(new RegExp(`^error_tracking\\.event_received ${ids[0]}$`, "m"));
    expect(out).toMatch(/^ {2}error_tracking\.digest +dead +dead letter .*\(condition_error\)$/m);
    expect(await json("why", ids[0] ?? "")).toMatchObject({ history: "read", subscriptions: [{ outcome: "dead" }] });
    expect(await events("why", "nothing")).toMatchObject({
      exitCode: 1,
      err: "Nothing is known of an event nothing\n",
    });
  });

  test("ES-454 a replay asks, says what it would do, and leaves the letters for the next server", async () => {
    expect(await json("replay", letterOf(ids[0]), "--dry-run")).toEqual({
      would_replay: 1,
      would_fail: [],
      over_limit: false,
    });
    const refused = await events("replay", "--subscription", subscription);
    expect(refused).toMatchObject({ exitCode: 1, out: "" });
    expect(refused.err).toContain("Replay 3 dead letters? Say --yes");
    expect((await json("dead", "--state", "dead")).length).toBe(3);

    const done = await events("replay", letterOf(ids[0]), "--yes");
    expect(done.out).toMatch(/^Replayed 1 of 1 dead letters \(replay [0-9A-Z]{26}\)$/m);
    expect((await json("why", ids[0] ?? "")).subscriptions[0]).toMatchObject({
      outcome: "replaying",
      queued: { state: "ready" },
    });
    const again = await events("replay", letterOf(ids[0]), "--yes");
    expect(again.exitCode).toBe(1);
    expect(again.err).toContain("EVT_DEAD_LETTER_STATE");
  });

  test("ES-453 ES-260 discarding needs a reason, which the audit shows", async () => {
    expect(await events("dead", letterOf(ids[1]), "--discard")).toMatchObject({ exitCode: 2 });
    expect(await events("dead", "--discard", "--reason", "everything")).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("EVT_FILTER_EMPTY"),
    });
    const done = await events("dead", letterOf(ids[1]), "--discard", "--reason", "of no use");
    expect(done).toMatchObject({ exitCode: 0, out: "Discarded 1 dead letters\n" });
    expect(await json("dead", "--audit")).toMatchObject([
      { kind: "discard", actor: "command line", reason: "of no use", replayed: 1 },
      { kind: "replay", actor: "command line", selection: [letterOf(ids[0])] },
    ]);
  });

  test("ES-456 subscribers are paused, resumed and purged", async () => {
    expect((await events("pause", "experience.log")).out).toBe("experience.log is paused\n");
    expect((await events("list")).out).toMatch(/^experience\.log +paused /m);
    expect(await json("resume", "experience.log")).toEqual({ subscriber: "experience.log", paused: false });
    expect((await events("list")).out).toMatch(/^experience\.log +active /m);
    const refused = await events("purge", "experience.log");
    expect(refused).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("Delete 0 deliveries of experience.log"),
    });
    expect(await json("purge", "experience.log", "--yes")).toEqual({ subscriber: "experience.log", removed: 0 });
    for (const verb of ["pause", "resume", "purge"])
      expect(await events(verb, "nobody.here")).toMatchObject({
        exitCode: 1,
        err: expect.stringContaining("There is no subscriber nobody.here"),
      });
  });

  test("ES-451 ES-431 the graph is printed or written, and a folder is checked against it", async () => {
    expect((await events("graph")).out).toMatch(/^graph LR\n {2}subgraph context_error_tracking\["error_tracking"\]/);
    expect(JSON.parse((await events("graph", "--format", "json")).out).events.length).toBeGreaterThan(5);
    const out = join(directory.path, "catalogue");
    const graph = (...args: string[]) => events("graph", "--format", "mermaid", "--out", out, ...args);
    expect(await graph("--check")).toMatchObject({
      exitCode: 1,
      out: expect.stringContaining("events.mmd is missing"),
    });
    expect((await graph()).exitCode).toBe(0);
    expect(await graph("--check")).toMatchObject({ exitCode: 0, out: "" });
    writeFileSync(join(out, "events.mmd"), "graph TD\n");
    writeFileSync(join(out, "other.mmd"), "graph TD\n");
    const stale = await graph("--check");
    expect(stale.exitCode).toBe(1);
    expect(stale.out).toContain("events.mmd is stale: run signalbox events graph");
    expect(stale.out).toContain("other.mmd is about an event that there is not");
    expect((await graph()).exitCode).toBe(0);
    expect((await graph("--check")).exitCode).toBe(0);
  });

  test("ES-451 ES-434 another program's events are described from its configure functions", async () => {
    const folder = join(directory.path, "app");
    mkdirSync(folder);
    const library = pathToFileURL(join(program, "../../../../packages/event-store/dist/index.js")).href;
    writeFileSync(
      join(folder, "app.mjs"),
      `import { defineEvent, defineSubscriber } from ${JSON.stringify(library)};
       const made = defineEvent("shop.order_placed", { schema: { type: "object" }, owner: "shop" });
       export const configure = (registry) => registry.subscribe(
         defineSubscriber("mail.confirm", { handle: async () => {} }), { to: made, if: ({ data }) => data.total > 0 });`,
    );
    const app = join(folder, "app.mjs");
    // The program and the application must share one copy of the library, so this is the built program.
    const built = (...args: string[]) => runProgram(["events", ...args, "--app", app], installation.env);
    expect((await built("graph")).out).toContain(
      "subscriber_mail__confirm -. subscribe if .-> event_shop__order_placed",
    );
    expect(JSON.parse((await built("list", "--json")).out).events).toMatchObject([{ type: "shop.order_placed" }]);
    const out = join(directory.path, "shop");
    const incomplete = await built("graph", "--format", "markdown", "--out", out);
    expect(incomplete.exitCode).toBe(1);
    expect(incomplete.err).toContain("shop.order_placed.md: shop.order_placed has no description");
    expect(await events("graph", "--app", join(folder, "missing.mjs"))).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("APP_UNUSABLE"),
    });
  });

  test("ES-437 the forge of the examples has a pipeline event, and subscribers of two other modules", async () => {
    const app = join(program, "../../../../examples/forge/dist/index.js");
    const { out } = await runProgram(["events", "graph", "--format", "json", "--app", app], installation.env);
    const created = JSON.parse(out).events.find(({ type }: { type: string }) => type === "ci.pipeline_created");
    const fields = created.fields.map(({ pointer, required }: Record<string, unknown>) => [pointer, required]);
    expect(fields).toEqual(
      expect.arrayContaining([
        ["/pipeline_id", true],
        ["/ref", false],
      ]),
    );
    expect(created.subscribers.map(({ subscriber }: { subscriber: string }) => subscriber)).toEqual([
      "merge_requests.update_head_pipeline",
      "onboarding.pipelines_onboarded",
    ]);
  });

  test("ES-372 what no single file shows is found, and may be accepted by name with a reason", async () => {
    const check = (...args: string[]) => events("check", "--graph", "--sources", "services/*/*events.ts", ...args);
    const found = await check("--json");
    expect(found.exitCode).toBe(1);
    const { findings } = JSON.parse(found.out);
    const names: string[] = findings.map(({ name }: { name: string }) => name);
    // Its service publishes it from a file that was not searched.
    expect(names).toContain("unpublished error_tracking.event_received");
    const accept = join(directory.path, "accept.json");
    const graph = Object.fromEntries(names.map((name) => [name, "for this test"]));
    writeFileSync(accept, JSON.stringify({ graph: { ...graph, "unheard ci.gone": "was here" } }));
    const accepted = await check("--accept", accept);
    expect(accepted.exitCode).toBe(0);
    expect(accepted.out).toContain("unpublished error_tracking.event_received: accepted: for this test");
    expect(accepted.out).toContain("unheard ci.gone: accepted, but not found any more");
    expect((await check()).out).toContain("goes into event-store.accept.json, by name and with a reason.");
    expect((await events("check")).exitCode).toBe(2);
    expect((await events("check", "--graph")).exitCode).toBe(2);
  });

  test("PF-013 every command has an example in its help, and unknown flags are refused", async () => {
    const verbs = ["list", "graph", "check", "dead", "replay", "why", "pause", "resume", "purge"];
    for (const verb of verbs) {
      const help = await events(verb, "--help");
      expect(help).toMatchObject({ exitCode: 0, out: expect.stringContaining(`$ signalbox events ${verb}`) });
    }
    const wrong = await events("dead", "--grups");
    expect(wrong).toMatchObject({ exitCode: 2, err: expect.stringContaining("--groups") });
    expect((await events("replay")).exitCode).toBe(2);
    expect((await events("replay", "x", "--text", "y")).exitCode).toBe(2);
    expect((await events("graph", "--check")).exitCode).toBe(2);
  });
});

describe("beside a server", () => {
  test("PF-014 ES-455 the same is said, and the server does what was left for it", async () => {
    const before = await Promise.all([events("dead", "--json"), events("dead", "--audit"), events("list", "--json")]);
    server = await installation.start();
    await expect.poll(async () => (await json("why", ids[0] ?? "")).subscriptions[0].outcome).toBe("delivered");
    const after = await Promise.all([events("dead", "--json"), events("dead", "--audit"), events("list", "--json")]);
    // The letter that was replayed is resolved meanwhile, and nothing waits any more.
    const settled = (text: string | undefined) =>
      text
        ?.replaceAll("replaying", "resolved")
        .replaceAll(/"ready": \d+/g, '"ready": 0')
        .replaceAll(/"oldest_ready_at": .*/g, "")
        // How they got on is known to who can read the history.
        .replaceAll(/"work": (null|\{[^}]*\})/g, "");
    expect(after.map(({ out }) => settled(out))).toEqual(before.map(({ out }) => settled(out)));

    const done = await events("replay", "--group", await groupOf(ids[2]), "--yes", "--rate", "100");
    expect(done.out).toMatch(/^Replayed 1 of 1/);
    await expect
      .poll(async () => (await json("why", ids[2] ?? "", "--tree")).subscriptions[0].outcome)
      .toBe("delivered");
    expect((await events("pause", "experience.log")).exitCode).toBe(0);
    expect((await events("list")).out).toMatch(/^experience\.log +paused /m);
    expect((await events("resume", "experience.log")).exitCode).toBe(0);
  });

  test("ES-455 --tree shows what an event caused, below it", async () => {
    const tree = () => events("why", ids[0] ?? "", "--tree").then(({ out }) => out);
    await expect.poll(tree).toMatch(/^ {4}error_tracking\.issue_created /m);
    const plain = await events("why", ids[0] ?? "");
    expect(plain.out).not.toMatch(/^ {4}error_tracking\.issue_created/m);
    expect(plain.out).toMatch(/^\d+ events? (was|were) published while it was handled/m);
  });

  test("PF-014 a server that does not answer is named soon", async () => {
    server?.kill("SIGSTOP");
    try {
      const { exitCode, err } = await events("list");
      expect(exitCode).toBe(1);
      expect(err).toContain(`The server (process ${server?.pid}, ${server?.url}) does not answer`);
    } finally {
      server?.kill("SIGCONT");
    }
  });

  test("ES-454 a reader that goes away is no failure", async () => {
    const running = startProgram(["events", "list"], installation.env);
    running.process.stdout?.destroy();
    expect((await running.ended).exitCode).toBe(0);
  });
});

async function groupOf(id: string | undefined): Promise<string> {
  return (await json("dead", letterOf(id))).fingerprint;
}
