import { createServer } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import { type CheckpointTransport, type Client, createClient } from "@signalbox/experience-sdk";
import { type Benchmark, percentile } from "./harness.js";

const checkpoints = Number(process.env["EXPERIENCE_SDK_CHECKPOINTS"] ?? 1_000_000);
const rounds = 20;
/** Recorded in one turn of the event loop, as a busy request handler would. */
const perTurn = 500;

const definitions = {
  checkout: { description: "A user pays", feature_category: "shop", urgency: "sync_fast" },
};

function openClient(transport: CheckpointTransport): Client {
  return createClient({ type: "web", definitions, environment: "production", transport });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Microseconds of processor time for each unit, sending included. */
async function timed(
  units: number,
  recordSome: (count: number) => void,
  finish: () => Promise<unknown>,
): Promise<number> {
  const before = process.cpuUsage();
  for (let done = 0; done < units; done += perTurn) {
    recordSome(perTurn);
    await nextTurn();
  }
  await finish();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / units;
}

/** Each journey has a start and an end: two checkpoints. */
async function sdkRound(units: number): Promise<{ microseconds: number; sent: number }> {
  const client = openClient({ send: async () => ({ status: 200 }) });
  const microseconds = await timed(
    units,
    (count) => {
      for (let index = 0; index < count; index += 2) client.start("checkout").complete();
    },
    () => client.flush(60_000),
  );
  const { sent } = client.stats();
  await client.shutdown();
  return { microseconds, sent };
}

async function peerRound(units: number): Promise<number> {
  const exporter: SpanExporter = {
    export: (_spans, done) => done({ code: 0 }),
    shutdown: async () => {},
  };
  // As much room as the client has, so that neither drops.
  const processor = new BatchSpanProcessor(exporter, { maxQueueSize: 10_000, maxExportBatchSize: 100 });
  const provider = new BasicTracerProvider({ spanProcessors: [processor] });
  const tracer = provider.getTracer("benchmark");
  const microseconds = await timed(
    units,
    (count) => {
      for (let index = 0; index < count; index++)
        tracer.startSpan("checkout", { attributes: { type: "web", feature_category: "shop" } }).end();
    },
    () => provider.forceFlush(),
  );
  await provider.shutdown();
  return microseconds;
}

/** MiB that a full queue adds to the heap while the tracker is away. */
async function heapOfFullQueue(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const client = openClient({ send: () => Promise.reject(new Error("away")) });
  client.start("checkout").complete();
  await nextTurn();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < 50_000; index++) {
    client.start("checkout", { project: index, source: "benchmark" }).complete();
    if (index % 1_000 === 0) await nextTurn();
  }
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  await client.shutdown(0);
  return grown / 2 ** 20;
}

/**
 * Longest time in ms for which the event loop could not run while 5,000 checkpoints are recorded without a tracker and
 * then sent over HTTP to one that came back.
 */
async function longestStall(isRecording: boolean): Promise<number> {
  const server = createServer((incoming, outgoing) => {
    incoming.resume().on("end", () => outgoing.end("{}"));
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => void server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await new Promise((resolve) => void server.close(resolve));

  const client = createClient({
    type: "web",
    definitions,
    environment: "production",
    endpoint: `http://127.0.0.1:${port}`,
  });
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  for (let turn = 0; turn < 100; turn++) {
    for (let index = 0; index < 25; index++) if (isRecording) client.start("checkout", { turn }).complete();
    await sleep(50);
  }
  await listen(port);
  await client.flush(60_000);
  delays.disable();
  await client.shutdown();
  server.closeAllConnections();
  server.close();
  return delays.max / 1e6;
}

/** What recording a checkpoint costs its application, sending included. */
export const experienceSdk: Benchmark = {
  name: "experience-sdk",
  proves: ["XP-905", "XP-092"],
  async run(report) {
    const units = checkpoints / rounds;
    const ours: number[] = [];
    const peers: number[] = [];
    let sent = 0;
    for (let round = 0; round < rounds; round++) {
      const result = await sdkRound(units);
      ours.push(result.microseconds);
      sent += result.sent;
      peers.push(await peerRound(units));
    }
    report({
      workload: `${checkpoints} checkpoints (starts and ends) into a stub transport, processor time for each`,
      measured: { value: percentile(ours, 0.5), unit: "µs" },
      peer: { name: "OpenTelemetry: startSpan and end, batch processor, stub exporter", value: percentile(peers, 0.5) },
      targetRatio: 1,
      target: 10,
      notes: { sent },
    });
    report({
      workload: "100,000 checkpoints while the tracker is away: growth of the heap with the queue full",
      measured: { value: await heapOfFullQueue(), unit: "MiB" },
      target: 32,
    });
    report({
      workload:
        "5,000 checkpoints recorded while the tracker is away, sent when it is back: longest stall of the event loop",
      measured: { value: await longestStall(true), unit: "ms" },
      peer: { name: "the same time without recording", value: await longestStall(false) },
      target: 50,
    });
  },
};
