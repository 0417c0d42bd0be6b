import { type ChildProcess, spawn } from "node:child_process";
import { type Benchmark, percentile } from "./harness.js";
import { commandOf } from "./load/command-of.js";
import { runHttpLoad } from "./load/http-load.js";

const rounds = 15;
const requests = 10_000;
const connections = 32;

interface Server {
  readonly child: ChildProcess;
  readonly port: number;
  readonly microsecondsPerRequest: number[];
}

function startServer(kind: "bare" | "shared"): Promise<Server> {
  const child = spawn(process.execPath, [...commandOf("peers/small-routes", import.meta.url), kind], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  return new Promise((resolve, reject) => {
    child.stdout?.once("data", (text: Buffer) =>
      resolve({ child, port: Number(text.toString()), microsecondsPerRequest: [] }),
    );
    child.once("exit", () => reject(new Error("a server did not start")));
  });
}

/** Processor time of the server so far, in microseconds. */
function processorTime({ child }: Server): Promise<number> {
  return new Promise((resolve) => {
    child.once("message", ({ user, system }: NodeJS.CpuUsage) => resolve(user + system));
    child.send("how much");
  });
}

async function runRound(server: Server): Promise<void> {
  const before = await processorTime(server);
  await runHttpLoad({
    host: "127.0.0.1",
    port: server.port,
    path: "/small",
    headers: {},
    bodies: [new Uint8Array()],
    connections,
    requests,
  });
  server.microsecondsPerRequest.push(((await processorTime(server)) - before) / requests);
}

/**
 * What correlation, metrics, limits and headers cost on a route that does nothing. Processor time is compared, which
 * says the same on a machine that is busy with other things, and of many rounds a quiet one.
 */
export const platformHttp: Benchmark = {
  name: "platform-http",
  proves: [],
  async run(report) {
    const bare = await startServer("bare");
    const shared = await startServer("shared");
    for (let round = 0; round < rounds; round++) for (const server of [bare, shared]) await runRound(server);
    for (const server of [bare, shared]) server.child.kill();
    report({
      workload: `${requests} requests without a body to a route that answers with 20 bytes, over ${connections} connections: processor time of the server for each`,
      measured: { value: percentile(shared.microsecondsPerRequest, 0.2), unit: "µs" },
      peer: { name: "bare Fastify", value: percentile(bare.microsecondsPerRequest, 0.2) },
      targetRatio: 1.18,
    });
  },
};
