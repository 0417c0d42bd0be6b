import { ask } from "./ask.js";
import { type StartOptions, startServer, type TestServer } from "./server-process.js";

/** Redis that has every write on disk before it answers. */
export function startRedis(options?: StartOptions): Promise<TestServer> {
  return startServer(
    {
      program: "redis-server",
      url: (port) => `redis://127.0.0.1:${port}`,
      args: (directory, port) => [
        ...["--port", String(port), "--bind", "127.0.0.1", "--dir", directory],
        ...["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
      ],
      isReady: async (port) => (await ask(port, "PING\r\n")).startsWith("+PONG"),
      stopSignal: "SIGTERM",
      guardSignal: "KILL",
    },
    options,
  );
}
