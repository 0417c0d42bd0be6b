import { spawn } from "node:child_process";
import { type Benchmark, scaled } from "./harness.js";
import { commandOf } from "./load/command-of.js";
import { gzippedEnvelopes } from "./load/envelopes.js";
import {
  createSender,
  drained,
  type ErrorStores,
  onEachStores,
  residentMiB,
  takenOf,
  withInstallation,
} from "./load/errors-server.js";
import { type HttpLoadResult, runHttpLoad } from "./load/http-load.js";

const envelopes = scaled(20_000);
const warmUp = scaled(2_000);
const connections = 32;
const envelopeBytes = 5_700;
/** Rate of the second run, which looks at latency instead of throughput. */
const steadyPerSecond = 1_000;
const steadyEnvelopes = scaled(10_000);

function makeBodies(count: number): Buffer[] {
  return gzippedEnvelopes(count, { groups: 200, bytes: envelopeBytes });
}

async function runPeer(): Promise<HttpLoadResult> {
  const command = commandOf("peers/bare-fastify", import.meta.url);
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once("data", (text: Buffer) => resolve(Number(text.toString())));
    child.once("exit", () => reject(new Error("the peer did not start")));
  });
  const send = (bodies: readonly Uint8Array[]): Promise<HttpLoadResult> =>
    runHttpLoad({
      host: "127.0.0.1",
      port,
      path: "/api/1/envelope/",
      headers: { "Content-Type": "application/x-sentry-envelope", "Content-Encoding": "gzip" },
      bodies,
      connections,
      requests: bodies.length,
    });
  await send(makeBodies(warmUp));
  const result = await send(makeBodies(envelopes));
  child.kill();
  return result;
}

interface IngestResult {
  readonly burst: HttpLoadResult;
  /** Of everything that was sent in the burst, from its first request on. */
  readonly queryablePerSecond: number;
  readonly steady: HttpLoadResult;
  readonly idleMiB: number;
  readonly loadedMiB: number;
}

function runSignalbox({ env }: ErrorStores): Promise<IngestResult> {
  return withInstallation(env, async (_, install) => {
    const installation = await install();
    const server = await installation.start();
    const send = await createSender(installation, server);
    const idleMiB = (await residentMiB(server.pid)).now;
    const warm = takenOf(await send(makeBodies(warmUp)));
    await drained(server, warm);

    const bodies = makeBodies(envelopes);
    const startedMs = performance.now();
    const burst = await send(bodies);
    const seconds = ((await drained(server, warm + takenOf(burst))) - startedMs) / 1000;
    const loadedMiB = (await residentMiB(server.pid)).now;

    const steady = await send(makeBodies(steadyEnvelopes), steadyPerSecond);
    await drained(server, warm + takenOf(burst) + takenOf(steady));
    await server.stop();
    return { burst, queryablePerSecond: takenOf(burst) / seconds, steady, idleMiB, loadedMiB };
  });
}

/** Accepting envelopes durably, against a bare handler that only unpacks and parses them. */
export const errorsIngest: Benchmark = {
  name: "errors-ingest",
  proves: ["ET-900", "PF-901"],
  async run(report) {
    await onEachStores(async (stores) => {
      const peer = await runPeer();
      const { burst, queryablePerSecond, steady, idleMiB, loadedMiB } = await runSignalbox(stores);
      const workload = `${envelopes} gzipped envelopes of ${envelopeBytes} bytes over ${connections} connections, ${stores.name}`;
      report({
        workload: `${workload}: accepted durably`,
        measured: { value: burst.perSecond, unit: "envelopes/s" },
        peer: { name: "bare Fastify: gunzip and parse", value: peer.perSecond },
        targetRatio: 0.35,
        target: 2_500,
        notes: { ...statusNotes(burst), p99_ms: burst.latencyMs.p99 },
      });
      report({
        workload: `${workload}: accepted and queryable, from the first request on`,
        measured: { value: queryablePerSecond, unit: "events/s" },
        target: 800,
      });
      report({
        workload: `${steadyPerSecond} envelopes/s, ${stores.name}: time to the answer, p99`,
        measured: { value: steady.latencyMs.p99, unit: "ms" },
        target: 50,
        notes: { ...statusNotes(steady), p50_ms: steady.latencyMs.p50 },
      });
      report({
        workload: `${stores.name}: resident memory, idle after start`,
        measured: { value: idleMiB, unit: "MiB" },
        target: 450,
      });
      report({
        workload: `${stores.name}: resident memory after the load`,
        measured: { value: loadedMiB, unit: "MiB" },
        target: 1024,
      });
    });
  },
};

function statusNotes(result: HttpLoadResult): Record<string, number> {
  return Object.fromEntries(Object.entries(result.statuses).map(([status, count]) => [`status_${status}`, count]));
}
