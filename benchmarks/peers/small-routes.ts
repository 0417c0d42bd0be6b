import { createHttpServer, createPrometheusMetrics } from "@signalbox/http";
import { type FastifyInstance, fastify } from "fastify";

// One small JSON route, on bare Fastify or on a server with all shared hooks: argument `bare` or `shared`.
// A process of its own; writes its port to standard output and answers messages with the processor time it has used.
async function createServer(): Promise<FastifyInstance> {
  if (process.argv[2] === "bare") return fastify();
  const unlimited = { perSecond: 1e9, burst: 1e9 };
  return createHttpServer({ metrics: createPrometheusMetrics(), rateLimits: { perAddress: unlimited } });
}

const server = await createServer();
server.post("/small", { config: { access: "public" } }, async () => ({ ok: true, id: 7 }));
process.on("message", () => process.send?.(process.cpuUsage()));
const address = await server.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${new URL(address).port}\n`);
