import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createPrometheusMetrics } from "@signalbox/http";
import { systemClock } from "@signalbox/kernel";
import { findServer, requireServers } from "@signalbox/testing/servers";
import { describe, expect, test } from "vitest";
import { createSyncMetrics } from "./sync-metrics.js";

const prometheus = fileURLToPath(new URL("../../deploy/prometheus/", import.meta.url));
const grafana = fileURLToPath(new URL("../../deploy/grafana/git-relay.json", import.meta.url));
const read = (file: string): string => readFileSync(join(prometheus, file), "utf8");

const needed = requireServers(["promtool"]);
describe.skipIf(needed.skip)(needed.title("rules in Prometheus' own eyes"), () => {
  test("GR-431 GR-436 the shipped rules and the examples are valid rules", async () => {
    for (const file of ["git-relay.rules.yaml", "git-relay.examples.rules.yaml"]) {
      const { code, output } = await promtool("check", "rules", "--lint-fatal", file);
      expect(code, output).toBe(0);
    }
  });

  test("GR-432 GR-433 GR-434 GR-435 GR-436 each alert fires from its limit on and not just below it", async () => {
    const { code, output } = await promtool("test", "rules", "git-relay.rules.test.yaml");
    expect(code, output).toBe(0);
  });

  test.each([
    ["a sum in place of the count", "count(ngit_sync_relay_status == 3) > 5", "sum(ngit_sync_relay_status == 3) > 5"],
    ["a limit of six", "== 3) > 5", "== 3) > 6"],
    ["58 minutes", "for: 1h", "for: 58m"],
  ])("GR-436 the tests of the rules notice %s", async (_, right, wrong) => {
    const directory = mkdtempSync(join(tmpdir(), "rules-"));
    try {
      cpSync(prometheus, directory, { recursive: true });
      const rules = read("git-relay.rules.yaml");
      expect(rules).toContain(right);
      writeFileSync(join(directory, "git-relay.rules.yaml"), rules.replace(right, wrong));
      expect((await promtool("test", "rules", join(directory, "git-relay.rules.test.yaml"))).code).not.toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

test.each([
  "sum by (relay) (ngit_sync_relay_connected == 0)",
  "sum by (relay) (ngit_sync_relay_connected == 1)",
  "sum by (relay) (ngit_sync_relay_connected == 2)",
  "sum by (relay) (ngit_sync_relay_connected == 3)",
  "count(ngit_sync_relay_connected == 2)",
  'sum(rate(ngit_sync_connection_attempts_total{result="success"}[1h])) / sum(rate(ngit_sync_connection_attempts_total[1h]))',
  "rate(ngit_sync_events_synced_total[5m])",
  "topk(10, ngit_sync_relay_failures)",
  "sum(ngit_sync_relay_status == 1)",
  "sum(ngit_sync_relay_status == 2)",
  "sum(ngit_sync_relay_status == 3)",
  "sum(ngit_sync_relay_status == 4)",
  "sum(ngit_sync_relay_status == 5)",
])("GR-431 the examples record %s", (expression) => {
  const recorded = read("git-relay.examples.rules.yaml")
    .replaceAll(/expr: \|\n/g, "expr: ")
    .split(/- (?:record|alert):/)
    .filter((rule) => !rule.includes("for:"))
    .map((rule) => /expr:\s*([\s\S]*?)(?:\n\s*\n|\n\s*#|$)/.exec(rule)?.[1]?.replaceAll(/\s+/g, " ").trim());
  expect(recorded).toContain(expression);
});

test("GR-431 the examples have the three alerts of the reference", () => {
  const text = read("git-relay.examples.rules.yaml").replaceAll(/\s+/g, " ");
  for (const alert of [
    "alert: SyncRelayDead expr: ngit_sync_relay_status == 4 # Dead state for: 1d labels: severity: warning",
    "alert: SyncRelaySlow expr: ngit_sync_relay_connected == 2 # Syncing state for: 1h labels: severity: info",
    "alert: SyncManyDegraded expr: sum(ngit_sync_relay_status == 3) > 5 # Degraded state for: 15m labels: severity: warning",
  ])
    expect(text).toContain(alert);
});

test("GR-436 each alert says in a sentence which peer or how many", () => {
  const alerts = read("git-relay.rules.yaml").split("- alert:").slice(1);
  expect(alerts).toHaveLength(4);
  for (const alert of alerts) expect(alert).toMatch(/summary: ".*\{\{ \$(labels\.relay|value) \}\}.*"/);
});

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

test("GR-437 the dashboard shows what is asked for, by series that exist", async () => {
  const { panels }: { readonly panels: readonly Panel[] } = JSON.parse(readFileSync(grafana, "utf8"));
  const titles = panels.map(({ title }) => title);
  for (const title of [
    "Peers by connection",
    "Still syncing",
    "Connection success, 1 h",
    "Events synced",
    "Most failures in a row",
    "Peers by health",
    "Layers that are complete",
    "Held events",
  ])
    expect(titles).toContain(title);
  const existing = await syncSeries();
  const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  for (const expression of expressions) {
    const names = expression.match(/\b(?:ngit|signalbox)_[a-z_]+/g) ?? [];
    expect(names.length, expression).toBeGreaterThan(0);
    for (const name of names) expect(existing, expression).toContain(name.replace(/_bucket$/, ""));
    // A count of nothing is empty, and adding up states counts nothing.
    if (/==/.test(expression)) expect(expression).toMatch(/^count\(.*\) or vector\(0\)$/);
  }
});

async function syncSeries(): Promise<readonly string[]> {
  const metrics = createPrometheusMetrics();
  createSyncMetrics({
    metrics,
    clock: systemClock,
    naughty: { counts: () => ({ dns_lookup_failed: 0, tls_certificate_invalid: 0, protocol_error: 0 }) },
    extendedStatus: false,
    maxPeers: 500,
  });
  const { body } = await metrics.exposition();
  return [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
}

function promtool(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(findServer("promtool") ?? "promtool", args, { cwd: prometheus }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
    );
  });
}
