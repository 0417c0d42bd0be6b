import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findServer, installSignalbox, requireServers } from "@signalbox/testing/servers";
import { beforeAll, describe, expect, test } from "vitest";

const rulesFolder = fileURLToPath(new URL("../../deploy/prometheus/", import.meta.url));
const dashboardsFolder = fileURLToPath(new URL("../../deploy/grafana/", import.meta.url));
const systems = ["event-store", "error-tracking", "experiences", "git-relay"];

/** Names of the series that a running server with every role exposes. */
let exposed: ReadonlySet<string>;
beforeAll(async () => {
  const directory = mkdtempSync(join(tmpdir(), "monitoring-"));
  const installation = await installSignalbox({ dataDirectory: directory });
  const server = await installation.start();
  try {
    const page = await (await fetch(`${server.metricsUrl}/metrics`)).text();
    exposed = new Set([...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name));
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});

/** The series in an expression that are none of those which a running server has. */
function unknownSeries(expression: string): string[] {
  const withoutLabels = expression.replaceAll(/\{[^}]*\}/g, "");
  const names = withoutLabels.match(/\b(?:signalbox|ngit|gitlab|process|nodejs)_[a-z0-9_]+/g) ?? [];
  expect(names.length, expression).toBeGreaterThan(0);
  return names.filter((name) => !exposed.has(name) && !exposed.has(name.replace(/_(?:bucket|sum|count)$/, "")));
}

test("PF-055 every system has alerts and a dashboard", () => {
  for (const system of systems) {
    expect(readdirSync(rulesFolder)).toContain(`${system}.rules.yaml`);
    expect(readdirSync(rulesFolder)).toContain(`${system}.rules.test.yaml`);
    expect(readdirSync(dashboardsFolder)).toContain(`${system}.json`);
  }
});

test.each(systems)("PF-055 the alerts of %s use only series that a running server has", (system) => {
  const rules = readFileSync(join(rulesFolder, `${system}.rules.yaml`), "utf8");
  const expressions = [...rules.matchAll(/^\s+expr: (.+)$/gm)].map(([, expression = ""]) => expression);
  expect(expressions.length).toBeGreaterThan(3);
  expect(expressions.flatMap(unknownSeries)).toEqual([]);
});

interface Dashboard {
  readonly uid: string;
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

test.each(systems)("PF-055 the dashboard of %s uses only series that a running server has", (system) => {
  const { uid, panels }: Dashboard = JSON.parse(readFileSync(join(dashboardsFolder, `${system}.json`), "utf8"));
  expect(uid).toMatch(/^signalbox-/);
  const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect(expressions.length).toBeGreaterThan(5);
  expect(expressions.flatMap(unknownSeries)).toEqual([]);
});

const needed = requireServers(["promtool"]);

describe.skipIf(needed.skip)(needed.title("rules in Prometheus' own eyes"), () => {
  test.each(systems)("PF-055 the alerts of %s are valid, fire from their limit on and not before", async (system) => {
    for (const args of [
      ["check", "rules", "--lint-fatal", `${system}.rules.yaml`],
      ["test", "rules", `${system}.rules.test.yaml`],
    ]) {
      const { code, output } = await promtool(...args);
      expect(code, output).toBe(0);
    }
  });
});

test("PF-055 each alert has a case that fires and one that does not", () => {
  for (const system of systems) {
    const read = (file: string): string => readFileSync(join(rulesFolder, file), "utf8");
    const alerts = [...read(`${system}.rules.yaml`).matchAll(/- alert: (\S+)/g)].map(([, name = ""]) => name);
    const cases = read(`${system}.rules.test.yaml`).split("- eval_time:");
    for (const alert of alerts) {
      const own = cases.filter((text) => text.includes(`alertname: ${alert}\n`));
      expect([alert, own.some((text) => text.includes("exp_alerts: []"))]).toEqual([alert, true]);
      expect([alert, own.some((text) => text.includes("exp_labels:"))]).toEqual([alert, true]);
    }
  }
});

function promtool(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(findServer("promtool") ?? "promtool", args, { cwd: rulesFolder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
    );
  });
}
