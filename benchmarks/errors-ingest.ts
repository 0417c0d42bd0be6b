import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installSignalbox, type SignalboxServer } from "@signalbox/testing/servers";
import type { Benchmark } from "./harness.js";
import { commandOf } from "./load/command-of.js";
import { gzippedEnvelopes } from "./load/envelopes.js";
import { type HttpLoadResult, runHttpLoad } from "./load/http-load.js";

const envelopes = 20_000;
const warmUp = 2_000;
const connections = 32;
const envelopeBytes = 5_700;
/** Rate of the second run, which looks at latency instead of throughput. */
const steadyPerSecond = 1_000;
const steadyEnvelopes = 10_000;

interface Target {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

function send(target: Target, bodies: readonly Uint8Array[], ratePerSecond?: number): Promise<HttpLoadResult> {
  return runHttpLoad({
    host: "127.0.0.1",
    ...target,
    bodies,
    connections,
    requests: bodies.length,
    ...(ratePerSecond ? { ratePerSecond } : {}),
  });
}

function makeBodies(count: number): Buffer[] {
  return gzippedEnvelopes(count, { groups: 200, bytes: envelopeBytes });
}

const envelopeHeaders = { "Content-Type": "application/x-sentry-envelope", "Content-Encoding": "gzip" };

async function runPeer(): Promise<HttpLoadResult> {
  const command = commandOf("peers/bare-fastify", import.meta.url);
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once("data", (text: Buffer) => resolve(Number(text.toString())));
    child.once("exit", () => reject(new Error("the peer did not start")));
  });
  const target = { port, path: "/api/1/envelope/", headers: envelopeHeaders };
  await send(target, makeBodies(warmUp));
  const result = await send(target, makeBodies(envelopes));
  child.kill();
  return result;
}

/** Waits until everything sent is counted and can be queried; resolves with the moment. */
async function drained(server: SignalboxServer, expected: number): Promise<number> {
  for (;;) {
    const text = await (await fetch(`${server.metricsUrl}/metrics`)).text();
    if (storedEvents(text) >= expected) return performance.now();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function storedEvents(metrics: string): number {
  let sum = 0;
  for (const line of metrics.split("\n"))
    if (/^signalbox_error_tracking_items_total\{.*outcome="stored"/.test(line)) sum += Number(line.split(" ").at(-1));
  return sum;
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** Accepting envelopes durably on the embedded defaults, against a bare handler that only unpacks and parses them. */
export const errorsIngest: Benchmark = {
  name: "errors-ingest",
  proves: ["ET-900", "PF-901"],
  async run(report) {
    const peer = await runPeer();

    const dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
    const installation = await installSignalbox({ dataDirectory, env: { SIGNALBOX_LOG_LEVEL: "warn" } });
    const server = await installation.start();
    const [project] = (await installation.command("project", "list")) as { id: number; dsn: string }[];
    const dsn = new URL(project?.dsn ?? "");
    const target = {
      port: Number(new URL(server.url).port),
      path: `/api/${project?.id}/envelope/`,
      headers: {
        ...envelopeHeaders,
        "X-Sentry-Auth": `Sentry sentry_version=7, sentry_client=bench/1, sentry_key=${dsn.username}`,
      },
    };

    const idleMiB = await residentMiB(server.pid);
    await send(target, makeBodies(warmUp));
    await drained(server, warmUp);

    const bodies = makeBodies(envelopes);
    const startedMs = performance.now();
    const ours = await send(target, bodies);
    const drainSeconds = ((await drained(server, warmUp + envelopes)) - startedMs) / 1000;
    const loadedMiB = await residentMiB(server.pid);

    const steady = await send(target, makeBodies(steadyEnvelopes), steadyPerSecond);
    await drained(server, warmUp + envelopes + steadyEnvelopes);
    await server.stop();
    await rm(dataDirectory, { recursive: true });

    const workload = `${envelopes} gzipped envelopes of ${envelopeBytes} bytes over ${connections} connections, SQLite and chDB`;
    report({
      workload: `${workload}: accepted durably`,
      measured: { value: ours.perSecond, unit: "envelopes/s" },
      peer: { name: "bare Fastify: gunzip and parse", value: peer.perSecond },
      targetRatio: 0.35,
      target: 2_500,
      notes: { ...statusNotes(ours), p99_ms: ours.latencyMs.p99 },
    });
    report({
      workload: `${workload}: accepted and queryable, from the first request on`,
      measured: { value: envelopes / drainSeconds, unit: "events/s" },
      target: 800,
    });
    report({
      workload: `${steadyPerSecond} envelopes/s: time to the answer, p99`,
      measured: { value: steady.latencyMs.p99, unit: "ms" },
      target: 50,
      notes: { ...statusNotes(steady), p50_ms: steady.latencyMs.p50 },
    });
    report({ workload: "resident memory, idle after start", measured: { value: idleMiB, unit: "MiB" }, target: 450 });
    report({ workload: "resident memory after the load", measured: { value: loadedMiB, unit: "MiB" }, target: 1024 });
  },
};

function statusNotes(result: HttpLoadResult): Record<string, number> {
  return Object.fromEntries(Object.entries(result.statuses).map(([status, count]) => [`status_${status}`, count]));
}
