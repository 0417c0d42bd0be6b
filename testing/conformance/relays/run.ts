import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { kinds, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { type Conversation, makeConversation } from "../../nostr/conversation.js";
import { connectRelay } from "../../nostr/relay-client.js";
import { findFreePort } from "../../servers/free-port.js";
import { installSignalbox, type SignalboxServer } from "../../servers/signalbox.js";
import { printTable } from "../print-table.js";
import { hasPrograms } from "../toolchain.js";
import { type ForeignRelay, foreignRelays, type PreparedRelay } from "./foreign-relays.js";

// Syncs a new server from relays that others wrote, and has their clients use it.

const cache = fileURLToPath(new URL("../../../.cache/conformance/relays/", import.meta.url));
/** More than one answer of any of these relays holds. */
const roots = 700;
const patienceMs = 60_000;

type RelayRow = Record<"relay" | "negentropy" | "pages" | "live" | "notes", string>;
type ClientRow = Record<"client" | "publish" | "live" | "query" | "count" | "negentropy" | "notes", string>;

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !foreignRelays.some((relay) => relay.name === name));
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(", ")}. There are ${foreignRelays.map(({ name }) => name).join(", ")}.`);
  process.exit(2);
}

const relayRows: RelayRow[] = [];
const clientRows: ClientRow[] = [];
for (const relay of foreignRelays) {
  if (wanted.length > 0 && !wanted.includes(relay.name)) continue;
  await tryRelay(relay);
}
console.log("\nSynced from");
printTable(["relay", "negentropy", "pages", "live", "notes"], relayRows);
console.log("\nUsed by");
printTable(["client", "publish", "live", "query", "count", "negentropy", "notes"], clientRows);
const cells = [...relayRows, ...clientRows].flatMap((row) => Object.values(row));
if (cells.includes("WRONG")) process.exitCode = 1;

async function tryRelay(foreign: ForeignRelay): Promise<void> {
  if (!(await hasPrograms(foreign.needs))) {
    console.log(`${foreign.name}: not tried, needs ${foreign.needs.map(([program]) => program).join(" and ")}`);
    return;
  }
  console.log(`${foreign.name}: fetching and building`);
  const folder = join(cache, foreign.name);
  await mkdir(folder, { recursive: true });
  const prepared = await foreign.prepare(folder);
  console.log(`${foreign.name}: syncing from ${prepared.relay}`);
  const byNegentropy = await syncFrom(prepared, "negentropy");
  const inPages = await syncFrom(prepared, "req_eose");
  relayRows.push({
    relay: prepared.relay,
    negentropy: wordOf(byNegentropy.isComplete),
    pages: wordOf(inPages.isComplete),
    live: wordOf(byNegentropy.isLive && inPages.isLive),
    notes: [...new Set([...byNegentropy.notes, ...inPages.notes])].join("; "),
  });
  console.log(`${foreign.name}: being used by ${prepared.client}`);
  clientRows.push({ client: prepared.client, ...(await usedBy(prepared)) });
}

interface SyncResult {
  readonly isComplete: boolean;
  readonly isLive: boolean;
  readonly notes: readonly string[];
}

/** History and one later event, from a new relay to a new server. */
async function syncFrom(prepared: PreparedRelay, method: "negentropy" | "req_eose"): Promise<SyncResult> {
  const relay = await startForeign(prepared);
  try {
    const env = {
      SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: relay.url,
      SIGNALBOX_RELAY_SYNC_NEGENTROPY: String(method === "negentropy"),
      SIGNALBOX_RELAY_SYNC_ALLOW_PRIVATE_TARGETS: "true",
    };
    return await withServer(env, async (server, host, start) => {
      const conversation = makeConversation({ identifier: "shop", hosts: [host], relays: [relay.url], roots });
      const source = await connectRelay(relay.url);
      await source.publish(conversation.events);
      await start();
      const client = await connectRelay(`ws://${host}`);
      const isComplete = await becomesTrue(async () => (await client.query({})).length >= conversation.events.length);
      const notes: string[] = [];
      const other = method === "negentropy" ? "req_eose" : "negentropy";
      if ((await confirmedBatches(server(), other)) > 0) notes.push(`${method}: part of it by ${other}`);
      const later = issueAbout(conversation);
      await source.publish([later]);
      const isLive = await becomesTrue(async () => (await client.query({ ids: [later.id] })).length === 1);
      if (!isComplete) notes.push(`${method}: ${(await client.query({})).length} of ${conversation.events.length}`);
      source.close();
      client.close();
      return { isComplete, isLive, notes };
    });
  } finally {
    await relay.stop();
  }
}

/** A client of the same family publishes, subscribes, asks, counts and reconciles. */
async function usedBy(prepared: PreparedRelay): Promise<Omit<ClientRow, "client">> {
  return withServer({}, async (_server, host, start) => {
    await start();
    const conversation = makeConversation({ identifier: "shop", hosts: [host], roots: 100 });
    const client = await connectRelay(`ws://${host}`);
    await client.publish(conversation.events);
    const args = ["use", `ws://${host}`, conversation.address];
    const { stdout, stderr } = await promisify(execFile)(prepared.program, args, { timeout: patienceMs });
    const seen: Readonly<Record<string, unknown>> = JSON.parse(stdout);
    const issues = await client.query({ kinds: [kinds.issue], "#a": [conversation.address] });
    client.close();
    return {
      publish: wordOf(seen["publish"] === true),
      live: wordOf(seen["live"] === true),
      query: wordOf(seen["query"] === true),
      count: "count" in seen ? wordOf(seen["count"] === true) : "not offered",
      negentropy: wordOf(seen["reconciled"] === issues.length),
      notes: [stderr.trim(), seen["reconciled"] === issues.length ? "" : `${seen["reconciled"]} of ${issues.length}`]
        .filter(Boolean)
        .join("; "),
    };
  });
}

/** A new installation; `start` starts it, `server` is it from then on. */
async function withServer<T>(
  env: Readonly<Record<string, string>>,
  work: (server: () => SignalboxServer, host: string, start: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-conformance-"));
  let server: SignalboxServer | undefined;
  try {
    const host = `127.0.0.1:${await findFreePort()}`;
    const installation = await installSignalbox({
      dataDirectory,
      env: { ...env, SIGNALBOX_RELAY_LISTEN: host, SIGNALBOX_RELAY_LIMITS_EVENTS_PER_MINUTE: "0" },
    });
    const started = (): SignalboxServer => {
      if (!server) throw new Error("the server does not run yet");
      return server;
    };
    return await work(started, host, async () => {
      server = await installation.start();
    });
  } finally {
    await server?.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

interface RunningRelay {
  readonly url: string;
  stop(): Promise<void>;
}

async function startForeign({ program }: PreparedRelay): Promise<RunningRelay> {
  const child: ChildProcess = spawn(program, ["serve"], { stdio: ["pipe", "pipe", "ignore"] });
  const killChild = (): void => void child.kill("SIGKILL");
  process.once("exit", killChild);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.once("data", (text: Buffer) => resolve(text.toString().trim()));
    child.once("exit", () => reject(new Error(`${program} did not start`)));
    child.once("error", reject);
  });
  return {
    url,
    async stop() {
      child.stdin?.end();
      child.kill("SIGTERM");
      await ended;
      process.off("exit", killChild);
    },
  };
}

function issueAbout({ address }: Conversation): VerifiedEvent {
  return signEvent(testSigner("a late reader"), {
    kind: kinds.issue,
    created_at: Math.floor(Date.now() / 1_000),
    tags: [["a", address]],
    content: "One more thing.",
  });
}

async function confirmedBatches(server: SignalboxServer, method: string): Promise<number> {
  const text = await (await fetch(`${server.metricsUrl}/metrics`)).text();
  const counts = [...text.matchAll(/^signalbox_relay_sync_batches_total\{(.*)\} (\S+)$/gm)].filter(
    ([, labels = ""]) => labels.includes(`method="${method}"`) && labels.includes('result="confirmed"'),
  );
  return counts.reduce((sum, [, , count]) => sum + Number(count), 0);
}

async function becomesTrue(condition: () => Promise<boolean>): Promise<boolean> {
  for (const deadlineMs = performance.now() + patienceMs; performance.now() < deadlineMs; ) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return false;
}

function wordOf(isRight: boolean): string {
  return isRight ? "ok" : "WRONG";
}
