import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ulid } from "@signalbox/kernel";
import {
  installSignalbox,
  requireServers,
  type SignalboxServer,
  startPrometheus,
  type TestServer,
} from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const needed = requireServers(["prometheus"]);

describe.skipIf(needed.skip)(needed.title("what operators load, in a real Prometheus beside a real server"), () => {
  const directory = mkdtempSync(join(tmpdir(), "rules-"));
  let server: SignalboxServer;
  let prometheus: TestServer;
  let rules: string;
  let dashboard: Dashboard;
  let headers: Record<string, string>;

  beforeAll(async () => {
    const definitions = join(directory, "definitions");
    mkdirSync(definitions);
    const define = (id: string, content: object): void =>
      writeFileSync(join(definitions, `${id}.yml`), JSON.stringify({ description: id, ...content }));
    define("checkout", { feature_category: "billing", urgency: "sync_fast", timeout_s: 3600, types: ["web", "api"] });
    define("refund", { feature_category: "billing", urgency: "custom", apdex_threshold_s: 0.1, timeout_s: 1 });
    const installation = await installSignalbox({
      dataDirectory: join(directory, "data"),
      flags: ["--quiet"],
      env: {
        SIGNALBOX_EXPERIENCE_DEFINITIONS: definitions,
        SIGNALBOX_EXPERIENCE_LATE_START_GRACE_S: "0",
        SIGNALBOX_EXPERIENCE_CANARY_INTERVAL_S: "1",
      },
    });
    const token = await installation.command("token", "create", "--scope", "experience:write,experience:read");
    const bearer = (token as { token: string }).token;
    headers = { authorization: `Bearer ${bearer}`, "content-type": "application/json" };
    server = await installation.start();
    const file = async (name: string): Promise<string> =>
      (await fetch(`${server.url}/api/v1/experience/rules/${name}`, { headers })).text();
    rules = await file("prometheus.yml");
    dashboard = JSON.parse(await file("grafana.json"));
    const [comments = ""] = rules.split("\ngroups:\n");
    const scrapeConfigs = comments.split("\n").filter((line) => /^# (?:scrape_configs:| )/.test(line));
    prometheus = await startPrometheus({
      config: [
        "global: { scrape_interval: 1s }",
        "rule_files: [rules.yml]",
        ...scrapeConfigs.map((line) => line.slice(2)),
      ].join("\n"),
      // The rules as they are, but nobody waits for half a minute.
      files: { "rules.yml": rules.replaceAll(/^( {4}interval): (?:30s|2m)$/gm, "$1: 1s") },
    });
  });
  afterAll(async () => {
    await prometheus?.stop();
    await server?.stop();
    rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });

  const ask = async (query: string): Promise<readonly (readonly [labels: Record<string, string>, value: number])[]> => {
    const answer = await fetch(`${prometheus.url}/api/v1/query`, {
      method: "POST",
      body: new URLSearchParams({ query }),
    });
    const { status, error, data } = (await answer.json()) as QueryAnswer;
    expect([status, error], query).toEqual(["success", undefined]);
    return data.result.map(({ metric, value: [, value] }) => [metric, Number(value)]);
  };
  const firstValue = async (query: string): Promise<number | undefined> => (await ask(query))[0]?.[1];

  const journey = async (experience: string, type: string, elapsedMs: number | undefined, end: object = {}) => {
    const correlation_id = ulid();
    const send = async (afterMs: number, fields: object): Promise<void> => {
      const answer = await fetch(`${server.url}/api/v1/experience/checkpoints`, {
        method: "POST",
        headers,
        body: JSON.stringify({
          correlation_id,
          covered_experience_id: experience,
          type,
          feature_category: "billing",
          urgency: "sync_fast",
          client_timestamp: new Date(Date.now() + afterMs).toISOString(),
          ...fields,
        }),
      });
      expect([200, 201]).toContain(answer.status);
      await answer.body?.cancel();
    };
    await send(0, { checkpoint: "start" });
    if (elapsedMs !== undefined) await send(elapsedMs, { checkpoint: "end", ...end });
    return (fields: object) => send(0, { checkpoint: "end", ...fields });
  };

  test("XP-651 XP-658 XP-623 what is sent is recorded: ratios of runs and of quick ones, discards, budgets", async () => {
    // A counter rises only for those who have seen it before.
    await expect
      .poll(() => firstValue('min(count_over_time(gitlab_covered_experience_total{type="web"}[1m]))'), {
        timeout: 60_000,
      })
      .toBeGreaterThan(2);
    for (const type of ["web", "web", "web", "api", "api", "api"]) await journey("checkout", type, 100);
    for (const type of ["web", "api"]) await journey("checkout", type, 5_000);
    for (const type of ["web", "api"]) await journey("checkout", type, 100, { error: true });
    await journey("checkout", "web", 100, { outcome: "discarded", discard_reason: "user_error" });
    const recorded = (name: string): Promise<number | undefined> =>
      firstValue(
        `round(1000 * gitlab:covered_experience_sli:${name}{covered_experience_id="checkout",feature_category="billing",urgency="sync_fast"})`,
      );
    for (const window of ["5m", "30m", "1h", "2h", "6h"]) {
      await expect.poll(() => recorded(`error:ratio_${window}`), { timeout: 60_000 }).toBe(200);
      await expect.poll(() => recorded(`apdex:ratio_${window}`), { timeout: 60_000 }).toBe(750);
    }
    // Means of rates that came about one after the other.
    const near = (name: string, value: number) =>
      expect
        .poll(async () => Math.abs(((await recorded(name)) ?? 0) - value), { timeout: 60_000 })
        .toBeLessThan(value / 2);
    for (const window of ["1d", "3d"]) {
      await near(`error:ratio_${window}`, 200);
      await near(`apdex:ratio_${window}`, 750);
    }
    expect(await recorded("error:budget")).toBe(1);
    const discards = "gitlab:covered_experience_sli:discards:increase_1d";
    await expect.poll(() => firstValue(`sum(${discards}) > 0`), { timeout: 60_000 }).toBeGreaterThan(0.5);
    expect(await ask('ALERTS{alertname=~".*Burn.*"}')).toEqual([]);
  });

  test("XP-650 XP-655 XP-656 every rule is evaluated without a fault and asks for series and labels that there are", async () => {
    const late = await journey("refund", "web", undefined);
    const timedOut = 'signalbox_experience_timeouts_total{covered_experience_id="refund"} > 0';
    await expect.poll(() => firstValue(timedOut), { timeout: 60_000 }).toBe(1);
    await late({});
    await journey("refund", "web", 50);
    const answer = (await (await fetch(`${prometheus.url}/api/v1/rules`)).json()) as RulesAnswer;
    const evaluated = answer.data.groups.flatMap((group) => group.rules);
    expect(evaluated.length).toBeGreaterThan(60);
    expect(evaluated.filter(({ lastError }) => lastError).map(({ name, lastError }) => [name, lastError])).toEqual([]);
    // Nobody syncs here, so that there are no ratios of that.
    const asked = new Set(
      evaluated
        .flatMap(({ query }) => selectorsIn(query))
        .filter((each) => !each.includes("signalbox_relay_historic_sync")),
    );
    expect(asked.size).toBeGreaterThan(100);
    for (const selector of asked)
      await expect
        .poll(async () => [selector, (await ask(selector)).length > 0], { timeout: 60_000 })
        .toEqual([selector, true]);
  });

  test("XP-658 every panel of the dashboard shows something", async () => {
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(15);
    for (const expression of expressions) {
      const query = expression
        .replaceAll("$window:1h", "1m:1s")
        .replaceAll("$category", "billing|nothing")
        .replaceAll("$__rate_interval", "5m");
      expect(query).not.toContain("$");
      await expect.poll(async () => [query, (await ask(query)).length > 0], { timeout: 60_000 }).toEqual([query, true]);
      for (const [labels] of await ask(query)) expect(Object.values(labels)).not.toContain("signalbox_canary");
    }
    const [variable] = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);
    const [, series = "", label = ""] = /^label_values\((\w+), (\w+)\)$/.exec(variable ?? "") ?? [];
    expect((await ask(series)).map(([labels]) => labels[label])).toContain("billing");
  });
});

/** The series that an expression selects. */
function selectorsIn(expression: string): string[] {
  return expression.match(/(?:gitlab|signalbox)[\w:]*(?:\{[^}]*\})?/g) ?? [];
}

interface Dashboard {
  readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
}

interface QueryAnswer {
  readonly status: string;
  readonly error?: string;
  readonly data: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

interface RulesAnswer {
  readonly data: {
    readonly groups: readonly {
      readonly rules: readonly { readonly name: string; readonly query: string; readonly lastError?: string }[];
    }[];
  };
}
