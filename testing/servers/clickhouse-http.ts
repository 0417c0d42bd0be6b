import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Misbehaviour } from "./clickhouse-http-process.js";
import { type StartOptions, startServer, type TestServer } from "./server-process.js";

/** ClickHouse's HTTP protocol over the embedded engine, in a process of its own. */
export interface ClickHouseHttpServer extends TestServer {
  /** What it does wrong from now on; `{}`: nothing. A restart forgets it. */
  misbehave(misbehaviour: Misbehaviour): Promise<void>;
}

export async function startClickHouseHttp(options?: StartOptions): Promise<ClickHouseHttpServer> {
  const server = await startServer(
    {
      program: "node",
      url: (port) => `http://127.0.0.1:${port}`,
      args: (directory, port) => [...programArgs(), directory, String(port)],
      isReady: async (port) => {
        const answer = await fetch(`http://127.0.0.1:${port}/ping`).catch(() => undefined);
        return (await answer?.text()) === "Ok.\n";
      },
      // Each running statement takes a thread of this pool; a server that runs only four at once would be no server.
      env: { UV_THREADPOOL_SIZE: "24" },
      stopSignal: "SIGTERM",
      guardSignal: "KILL",
    },
    options,
  );
  return Object.assign(server, {
    async misbehave(misbehaviour: Misbehaviour) {
      await fetch(`${server.url}/misbehave`, { method: "POST", body: JSON.stringify(misbehaviour) });
    },
  });
}

/**
 * The built program, which starts in a third of the time; it is there whenever tests run. Without a build the process
 * needs a loader, which it cannot find from its own working directory.
 */
function programArgs(): string[] {
  const fromSource = import.meta.url.endsWith(".ts");
  const name = "clickhouse-http-process";
  const built = fileURLToPath(new URL(fromSource ? `../dist/servers/${name}.js` : `./${name}.js`, import.meta.url));
  if (existsSync(built)) return [built];
  const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return ["--import", loader, fileURLToPath(new URL(`./${name}.ts`, import.meta.url))];
}
