import { join } from "node:path";
import { ask } from "./ask.js";
import { type StartOptions, startServer, type TestServer } from "./server-process.js";

/** NATS with JetStream on files. */
export function startNats(options?: StartOptions): Promise<TestServer> {
  return startServer(
    {
      program: "nats-server",
      url: (port) => `nats://127.0.0.1:${port}`,
      args: (directory, port) => [
        ...["--addr", "127.0.0.1", "--port", String(port)],
        ...["--jetstream", "--store_dir", join(directory, "jetstream")],
      ],
      isReady: async (port) => {
        const greeting = await ask(port, "PING\r\n");
        return greeting.startsWith("INFO ") && greeting.includes('"jetstream":true');
      },
      stopSignal: "SIGTERM",
      guardSignal: "KILL",
    },
    options,
  );
}
