import { createInterface } from "node:readline";
import { migrate, openDatabase } from "@signalbox/database";
import { createEventStore, createSqlTransport, eventStoreMigrations } from "@signalbox/event-store";
import { createGitRelay, relayMigrations, relaySection } from "@signalbox/git-relay";
import { defineSchema, noMetrics, readConfig, silentLogger, systemClock } from "@signalbox/kernel";
import { createSigner, newSecretKey } from "@signalbox/nostr";

// A relay on SQLite (synchronous=FULL) in a process of its own: `relay-program FILE [KEY=VALUE…]`. Writes its address to
// standard output, answers the lines `memory`, `peers`, `cpu` and `busy` of its standard input, and ends with that.

const [path = "relay.db", ...given] = process.argv.slice(2);
/** For comparison: `known_first=false` is no setting of a relay. */
const verifiesFirst = given.includes("known_first=false");
const settings = given.filter((setting) => !setting.startsWith("known_first="));
const clock = systemClock;
const database = await openDatabase({ path, clock });
await migrate(database, [eventStoreMigrations, relayMigrations]);
const { values } = readConfig({
  schema: defineSchema({ relay: relaySection }),
  flags: {
    "relay.listen": "127.0.0.1:0",
    "relay.profile": "open",
    "relay.auth.challenge_on_connect": "false",
    "relay.limits.requests_per_minute": "0",
    ...Object.fromEntries(
      settings.map((setting) => [setting.slice(0, setting.indexOf("=")), setting.slice(setting.indexOf("=") + 1)]),
    ),
  },
});
const relay = createGitRelay({
  database,
  clock,
  logger: silentLogger,
  metrics: noMetrics,
  settings: values.relay,
  signer: createSigner(newSecretKey()),
  version: "benchmark",
  trustedProxies: [],
  checkKnownFirst: !verifiesFirst,
});
const transport = createSqlTransport({ database, clock });
const eventStore = createEventStore({ transport, database, source: "/benchmark", configure: relay.configure });
relay.attach(eventStore);
await relay.service.start();
await relay.intake.start();
process.stdout.write(`${relay.listenUrl}\n`);

const turnMs = 1;
let longestMs = 0;
let isLooking = false;

/**
 * Between two looks lies one turn of the event loop, at most. A turn was long when it took both time and work: while the
 * machine is busy with others, time passes without any.
 */
function lookAtTurns(): void {
  let lookedMs = performance.now();
  let cpu = process.cpuUsage();
  setInterval(() => {
    const nowMs = performance.now();
    const { user, system } = process.cpuUsage(cpu);
    longestMs = Math.max(longestMs, Math.min(nowMs - lookedMs, (user + system) / 1_000));
    lookedMs = nowMs;
    cpu = process.cpuUsage();
  }, turnMs);
}

const answers: Readonly<Record<string, () => unknown>> = {
  /** The longest time since the last such question that the event loop was held, in ms. */
  busy() {
    // Looking costs something, too.
    if (!isLooking) lookAtTurns();
    isLooking = true;
    const heldMs = longestMs;
    longestMs = 0;
    return heldMs;
  },
  memory() {
    globalThis.gc?.();
    return process.memoryUsage();
  },
  cpu: () => process.cpuUsage(),
  peers: () => relay.sync?.engine.peers().map(({ connectionStatus }) => connectionStatus) ?? [],
};
createInterface({ input: process.stdin })
  .on("line", (line) => process.stdout.write(`${JSON.stringify(answers[line]?.() ?? null)}\n`))
  .once("close", () => process.exit(0));
