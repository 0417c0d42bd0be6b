import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import {
  type Configure,
  createEventStore,
  createSqlTransport,
  type EventStore,
  eventStoreMigrations,
} from "@signalbox/event-store";
import { createPrometheusMetrics, type PrometheusMetrics, type StreamTopic } from "@signalbox/http";
import { type Clock, defineSchema, type Logger, readConfig, silentLogger, systemClock } from "@signalbox/kernel";
import { testSigner } from "@signalbox/nostr/testing";
import { type RelaySettings, relaySection } from "../config.js";
import { createGitRelay, type GitRelay } from "../service.js";
import { relayMigrations } from "../store/migrations.js";
import { createInlineVerifier, type Verifier } from "../verify/verifier.js";

export interface TestRelayOptions {
  /** Its key comes from its name: relays with the same one take each other for themselves. */
  readonly name?: string;
  /** As in `signalbox.yaml`, below `relay`; unless said otherwise the profile is `open`, and there is no sync with peers. */
  readonly relay?: object;
  /** Data of an earlier relay. Default: new, and removed at the end. */
  readonly directory?: string;
  /** PostgreSQL in place of the file. */
  readonly databaseUrl?: string;
  readonly clock?: Clock;
  readonly verifier?: Verifier;
  readonly configure?: Configure;
  readonly trustedProxies?: readonly string[];
  readonly peersTopic?: StreamTopic;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

export interface TestRelay {
  readonly relay: GitRelay;
  readonly directory: string;
  /** `ws://127.0.0.1:port` */
  readonly url: string;
  readonly httpUrl: string;
  readonly database: Database;
  readonly eventStore: EventStore;
  readonly metrics: PrometheusMetrics;
  /** Value of a series, as `name{label="x"}`; 0 when it is absent. */
  metric(series: string): Promise<number>;
  /** Stops everything; the data stays. */
  stop(): Promise<void>;
  /** Stops everything and removes the data. */
  destroy(): Promise<void>;
}

/** A relay on a free port, with everything that it needs. */
export async function startTestRelay(options: TestRelayOptions = {}): Promise<TestRelay> {
  const { clock = systemClock } = options;
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "relay-"));
  const database = await openDatabase(
    options.databaseUrl === undefined
      ? { path: join(directory, "relay.db"), clock }
      : { url: options.databaseUrl, clock },
  );
  await migrate(database, [eventStoreMigrations, relayMigrations]);
  const metrics = createPrometheusMetrics({ logger: silentLogger, clock });
  const relay = createGitRelay({
    database,
    clock,
    logger: options.logger ?? silentLogger,
    metrics,
    settings: readRelaySettings(options.relay),
    signer: testSigner(options.name ?? "the relay"),
    version: "0.0.0-test",
    trustedProxies: options.trustedProxies ?? [],
    verifier: options.verifier ?? createInlineVerifier(),
    ...(options.peersTopic && { peersTopic: options.peersTopic }),
  });
  const transport = createSqlTransport({ database, clock });
  const eventStore = createEventStore({
    transport,
    database,
    clock,
    source: "/test",
    configure: [relay.configure, ...(options.configure ? [options.configure] : [])],
  });
  relay.attach(eventStore);
  await relay.service.start();
  await eventStore.start();
  await relay.intake.start();

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      await relay.intake.stop();
      await relay.service.stop();
      await eventStore.stop();
      await database.close();
    })();
    return stopping;
  };
  return {
    relay,
    directory,
    url: relay.listenUrl,
    httpUrl: relay.listenUrl.replace("ws:", "http:"),
    database,
    eventStore,
    metrics,
    async metric(series) {
      const { body } = await metrics.exposition("text/plain");
      const line = body.split("\n").find((text) => text.startsWith(`${series} `));
      return Number(line?.slice(series.length + 1) ?? 0);
    },
    stop,
    async destroy() {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const defaults = { listen: "127.0.0.1:0", profile: "open", sync: { enabled: false } };

/** The settings as the server reads them. */
export function readRelaySettings(relay: object = {}): RelaySettings {
  const flags = Object.fromEntries(flatten("relay", { ...defaults, ...relay }));
  return readConfig({ schema: defineSchema({ relay: relaySection }), flags }).values.relay;
}

function flatten(path: string, value: unknown): [string, string][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, String(value)]];
  return Object.entries(value).flatMap(([key, inner]) => flatten(`${path}.${key}`, inner));
}
