import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";

/** The built server with nothing but the relay, on a data directory of its own. */
export interface RelayServer {
  readonly host: string;
  readonly url: string;
  readonly server: SignalboxServer;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Values of a metric by the label `relay`. */
  byPeer(metric: string): Promise<ReadonlyMap<string, number>>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

/** @param settings variables without `SIGNALBOX_RELAY_` */
export async function installRelayServer(settings: Readonly<Record<string, string>>): Promise<RelayServer> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const relaySettings = Object.entries({
    LIMITS_EVENTS_PER_MINUTE: "0",
    SYNC_ALLOW_PRIVATE_TARGETS: "true",
    ...settings,
  }).map(([name, value]) => [`SIGNALBOX_RELAY_${name}`, value]);
  const installation: SignalboxInstallation = await installSignalbox({
    dataDirectory,
    flags: ["--only", "relay"],
    env: Object.fromEntries(relaySettings),
  });
  const host = installation.env["SIGNALBOX_RELAY_LISTEN"] ?? "";
  let running: SignalboxServer | undefined;
  const server = (): SignalboxServer => {
    if (!running) throw new Error("the server does not run");
    return running;
  };
  return {
    host,
    url: `ws://${host}`,
    get server() {
      return server();
    },
    async start() {
      running = await installation.start();
    },
    async stop() {
      await running?.stop();
      running = undefined;
    },
    async byPeer(metric) {
      const text = await (await fetch(`${server().metricsUrl}/metrics`)).text();
      const lines = text.matchAll(/^(\w+)\{relay="([^"]+)"\} (\S+)$/gm);
      return new Map(
        [...lines].flatMap(([, name, relay = "", value]) => (name === metric ? [[relay, Number(value)]] : [])),
      );
    },
    async remove() {
      await running?.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** Asks until it is true; resolves with how long that took in ms. */
export async function untilTrue(condition: () => Promise<boolean>, pollMs = 50): Promise<number> {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > 600_000) throw new Error("it did not come true within ten minutes");
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return performance.now() - startMs;
}
