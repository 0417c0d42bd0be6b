import { spawn } from "node:child_process";
import { findServer, requireServers } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HttpService } from "./http-service.js";
import { createMetricsServer } from "./metrics-server.js";
import { observeProcess, type ProcessMetrics } from "./process-metrics.js";
import { createPrometheusMetrics, type PrometheusMetrics } from "./prometheus.js";
import { observeQueues } from "./queue-metrics.js";
import { createHttpServer } from "./server.js";
import { createTestTokens } from "./testing/tokens.js";

let metrics: PrometheusMetrics;
let observed: ProcessMetrics;
let server: HttpService;

beforeAll(async () => {
  metrics = createPrometheusMetrics({ defaultMetrics: true });
  observed = observeProcess(metrics);
  observeQueues(metrics, [{ queue: "digest", depth: () => 3, oldestAgeSeconds: () => 1.5 }]);
  const tokens = await createTestTokens();
  const app = await createHttpServer({ metrics, authenticator: tokens.authenticator });
  app.get("/widgets/:id", { config: { access: "public" } }, async () => ({}));
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  await (await fetch(`${url}/widgets/7`)).text();
  await app.close();
  server = await createMetricsServer({ metrics, checks: [], host: "127.0.0.1", port: 0 });
  await server.start();
});
afterAll(async () => {
  await server.stop();
  observed.stop();
});

async function scrape(accept?: string): Promise<Response> {
  return fetch(`${server.url}/metrics`, accept === undefined ? {} : { headers: { accept } });
}

describe("PF-051 the metrics listener", () => {
  test("PF-051 answers /metrics without a token, in the format asked for", async () => {
    const text = await scrape();
    expect(text.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await text.text()).toContain("signalbox_http_requests_total{");
    const open = await scrape("application/openmetrics-text");
    expect(open.headers.get("content-type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect(await open.text()).toMatch(/# EOF\n$/);
  });

  test("PF-053 answers the health routes too", async () => {
    expect((await fetch(`${server.url}/-/liveness`)).status).toBe(200);
    expect((await fetch(`${server.url}/-/readiness`)).status).toBe(200);
  });
});

const needed = requireServers(["promtool"]);

describe.skipIf(needed.skip)(needed.title("promtool"), () => {
  test("PF-051 finds nothing wrong with names and help, but in prom-client's own metrics", async () => {
    const exposition = await (await scrape()).text();
    const { code, output } = await promtool(exposition);
    // It leaves with 3 when it has something to say about a name.
    expect([0, 3]).toContain(code);
    const findings = output.split("\n").filter((line) => line !== "" && !/^(?:nodejs|process)_/.test(line));
    expect(findings).toEqual([]);
  });

  test("PF-051 is a judge that would find something", async () => {
    const { code, output } = await promtool("# HELP badName x\n# TYPE badName counter\nbadName 1\n");
    expect([code, output]).toEqual([3, expect.stringContaining("badName")]);
  });
});

function promtool(exposition: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(findServer("promtool") ?? "promtool", ["check", "metrics"]);
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
    child.stdin.end(exposition);
  });
}
