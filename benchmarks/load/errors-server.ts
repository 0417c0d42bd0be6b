import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  installSignalbox,
  type SignalboxInstallation,
  type SignalboxServer,
  startClickHouseHttp,
  startNats,
} from "@signalbox/testing/servers";
import { type HttpLoadResult, runHttpLoad } from "./http-load.js";

/** What a server keeps its queue and its events in. */
export interface ErrorStores {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs `work` on the embedded stores, then on JetStream and a server of the ClickHouse protocol. */
export async function onEachStores(work: (stores: ErrorStores) => Promise<void>): Promise<void> {
  await work({ name: "SQLite and chDB", env: {} });
  const [nats, clickhouse] = await Promise.all([startNats(), startClickHouseHttp()]);
  try {
    await work({
      name: "JetStream and ClickHouse over HTTP",
      env: {
        SIGNALBOX_TRANSPORT: "jetstream",
        SIGNALBOX_NATS_URL: nats.url,
        SIGNALBOX_CLICKHOUSE_URL: clickhouse.url,
      },
    });
  } finally {
    await Promise.all([nats.stop(), clickhouse.stop()]);
  }
}

/** Runs `work` with a new data directory. */
export async function withInstallation<T>(
  env: Readonly<Record<string, string>>,
  work: (dataDirectory: string, install: (flags?: readonly string[]) => Promise<SignalboxInstallation>) => Promise<T>,
): Promise<T> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  try {
    return await work(dataDirectory, (flags = []) =>
      installSignalbox({ dataDirectory, flags, env: { SIGNALBOX_LOG_LEVEL: "warn", ...env } }),
    );
  } finally {
    // A server that a failure has left behind may still write; what went wrong is to be told, not that.
    await rm(dataDirectory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }).catch(() => {});
  }
}

const connections = 32;

/** Sends gzipped envelopes to the first project, as fast as they are taken or at the rate. */
export type SendEnvelopes = (bodies: readonly Uint8Array[], ratePerSecond?: number) => Promise<HttpLoadResult>;

export async function createSender(
  installation: SignalboxInstallation,
  server: SignalboxServer,
): Promise<SendEnvelopes> {
  const [project] = (await installation.command("project", "list")) as { id: number; dsn: string }[];
  const dsn = new URL(project?.dsn ?? "");
  return (bodies, ratePerSecond) =>
    runHttpLoad({
      host: "127.0.0.1",
      port: Number(new URL(server.url).port),
      path: `/api/${project?.id}/envelope/`,
      headers: {
        "Content-Type": "application/x-sentry-envelope",
        "Content-Encoding": "gzip",
        "X-Sentry-Auth": `Sentry sentry_version=7, sentry_client=bench/1, sentry_key=${dsn.username}`,
      },
      bodies,
      connections,
      requests: bodies.length,
      ...(ratePerSecond ? { ratePerSecond } : {}),
    });
}

/** For figures that mean something only when nothing was refused. */
export function assertTaken({ statuses }: HttpLoadResult): void {
  if (Object.keys(statuses).some((status) => status !== "200"))
    throw new Error(`not everything was taken: ${JSON.stringify(statuses)}`);
}

/** How many were taken; a machine that is too busy to take most of them gives no figures. */
export function takenOf({ statuses }: HttpLoadResult): number {
  const taken = statuses[200] ?? 0;
  const sent = Object.values(statuses).reduce((sum, count) => sum + count, 0);
  if (taken < sent * 0.9) throw new Error(`most must be taken to measure anything: ${JSON.stringify(statuses)}`);
  return taken;
}

export async function scrape({ metricsUrl }: SignalboxServer): Promise<string> {
  return (await fetch(`${metricsUrl}/metrics`)).text();
}

/** Sum of the samples whose name with labels begins so. */
export function sumOf(exposition: string, beginning: string, label = ""): number {
  let sum = 0;
  for (const line of exposition.split("\n"))
    if (line.startsWith(beginning) && line.includes(label)) sum += Number(line.split(" ").at(-1));
  return sum;
}

/** Events that are counted and can be queried. */
export async function storedEvents(server: SignalboxServer): Promise<number> {
  return sumOf(await scrape(server), "signalbox_error_tracking_items_total{", 'outcome="stored"');
}

/**
 * Waits until that many events can be queried; resolves with the moment, of `performance.now()`. Each look is a scrape, which
 * costs the server more than some events do: it is not looked more often than the rest may take a quarter of.
 */
export async function drained(server: SignalboxServer, expected: number): Promise<number> {
  const startMs = performance.now();
  const before = await storedEvents(server);
  for (let stored = before; stored < expected; stored = await storedEvents(server)) {
    const passedMs = performance.now() - startMs;
    const restMs = stored > before ? (passedMs * (expected - stored)) / (stored - before) : passedMs;
    await new Promise((resolve) => setTimeout(resolve, Math.min(1000, Math.max(50, restMs / 4))));
  }
  return performance.now();
}

/** Share of a histogram's observations between two scrapes, as the upper bound of the bucket that holds it. */
export function quantileBetween(before: string, after: string, metric: string, share: number): number {
  const earlier = new Map(bucketsOf(before, metric));
  const buckets = bucketsOf(after, metric).map(([bound, count]) => [bound, count - (earlier.get(bound) ?? 0)] as const);
  const total = buckets.at(-1)?.[1] ?? 0;
  return buckets.find(([, count]) => count >= total * share)?.[0] ?? Number.NaN;
}

function bucketsOf(exposition: string, metric: string): [bound: number, count: number][] {
  const buckets: [number, number][] = [];
  for (const line of exposition.split("\n")) {
    const bound = line.startsWith(`${metric}_bucket`) ? /le="([^"]+)"/.exec(line)?.[1] : undefined;
    if (bound === undefined) continue;
    buckets.push([bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound), Number(line.split(" ").at(-1))]);
  }
  return buckets;
}

/** Resident memory of a process now, and the most it ever was, MiB. */
export async function residentMiB(pid: number): Promise<{ readonly now: number; readonly most: number }> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const field = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { now: field("VmRSS"), most: field("VmHWM") };
}
