import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startServer, type TestServer } from "./server-process.js";

export interface PrometheusOptions {
  /** Text of `prometheus.yml`. */
  readonly config: string;
  /** Further files beside it, by name: rules. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Prometheus, which needs no rights and keeps nothing. */
export function startPrometheus({ config, files = {} }: PrometheusOptions): Promise<TestServer> {
  return startServer({
    program: "prometheus",
    url: (port) => `http://127.0.0.1:${port}`,
    args: (directory, port) => [
      `--config.file=${join(directory, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    async prepare(_run, directory) {
      for (const [name, text] of Object.entries({ ...files, "prometheus.yml": config }))
        await writeFile(join(directory, name), text);
    },
    async isReady(port) {
      const answer = await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => undefined);
      await answer?.body?.cancel();
      return answer?.ok ?? false;
    },
    stopSignal: "SIGTERM",
    guardSignal: "KILL",
  });
}
