import { monitorEventLoopDelay } from "node:perf_hooks";
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
const turns = monitorEventLoopDelay({ resolution: turnMs });

const answers: Readonly<Record<string, () => unknown>> = {
  /** The longest time since the last such question that the event loop was held, in ms. */
  busy() {
    // Looking costs something, too.
    turns.enable();
    const heldMs = Math.max(0, turns.max / 1e6 - turnMs);
    turns.reset();
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
