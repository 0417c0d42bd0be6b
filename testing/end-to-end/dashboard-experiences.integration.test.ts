import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { cell, type Dashboard, patienceMs, startDashboard, violationsInBothThemes } from "./dashboard.js";

const needed = requireServers(["chromium"]);
const polling = { timeout: patienceMs };

/** Journeys of the forge: how they fare, each experience, and each run. */
describe.skipIf(needed.skip)(needed.title("the pages of experiences"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
  }, 180_000);

  afterAll(() => board?.close());

  /** A run that timed out because of the exception in a subscriber; the first one does after some fifteen seconds. */
  const timedOut = async (): Promise<string> => {
    let correlation = "";
    const hasError = async (id: string): Promise<boolean> => {
      const { entries } = (await board.ask(`/api/v1/timeline/${id}`)) as {
        entries: readonly { kind: string; status: string }[];
      };
      return (
        entries.some(({ kind }) => kind === "error") &&
        entries.some(({ kind, status }) => kind === "attempt" && status === "dead")
      );
    };
    await vi.waitFor(
      async () => {
        const { runs } = (await board.ask("/api/v1/experience/runs?state=timed_out&experience=run_pipeline")) as {
          runs: readonly { correlation_id: string }[];
        };
        for (const { correlation_id: id } of runs) if (await hasError(id)) correlation = id;
        expect(correlation).not.toBe("");
      },
      { timeout: 100_000, interval: 500 },
    );
    return correlation;
  };

  test("UI-040 experiences are listed by feature category, the most spent budget first, with all figures; sorted and searched", async () => {
    await timedOut();
    await page.goto(`${board.url}/experiences?range=1h`);
    const table = page.getByRole("table", { name: "Experiences" });
    const row = table.getByRole("row", { name: /run_pipeline/ });
    await row.waitFor();
    for (const category of ["code review", "continuous integration", "global search"])
      await table.getByText(category, { exact: true }).waitFor();
    expect(await row.getByText("custom · good below 4.0 s").count()).toBe(1);
    for (const name of ["Budget, 28 days", "Last hour", "Runs", "Apdex", "Errors", "Timeouts", "Open"])
      await table.getByRole("columnheader", { name }).waitFor();
    await expect.poll(async () => Number(await cell(table, row, "Runs")), polling).toBeGreaterThan(0);
    expect(await cell(table, row, "Apdex")).toMatch(/^\d+(\.\d)?%$/);
    expect(await cell(table, row, "Errors")).toMatch(/^\d+(\.\d)?%$/);
    await expect.poll(async () => Number(await cell(table, row, "Timeouts")), polling).toBeGreaterThan(0);
    await expect.poll(async () => Number(await cell(table, row, "Open")), polling).toBeGreaterThan(0);
    await row.getByRole("img", { name: /^\d+ runs, \d+ of them broke$/ }).waitFor();

    const bars = await table.getByRole("img", { name: /^Error budget of 28 days: / }).all();
    const budgets = await Promise.all(bars.map(async (bar) => budgetOf((await bar.getAttribute("aria-label")) ?? "")));
    expect(budgets.length).toBeGreaterThanOrEqual(3);
    expect(budgets).toEqual(budgets.toSorted((left, right) => left - right));

    await table.getByRole("columnheader", { name: "Runs" }).getByRole("button").click();
    await table.locator('th[aria-sort="descending"]', { hasText: "Runs" }).waitFor();
    await page.waitForURL(/order=-runs/);
    const counts = async (): Promise<number[]> => {
      const rows = await table.getByRole("row").filter({ hasText: "good below" }).all();
      return Promise.all(rows.map(async (one) => Number(await cell(table, one, "Runs"))));
    };
    const sorted = await counts();
    expect(sorted).toEqual(sorted.toSorted((left, right) => right - left));

    await page.getByLabel("Search experiences").fill("search");
    await page.waitForURL(/search=search/);
    await expect.poll(() => table.getByRole("row").filter({ hasText: "good below" }).count()).toBe(1);
    await table.getByRole("link", { name: "search_code" }).waitFor();
  });

  test("below the experiences stands who reports them, as the API says, and what is odd about it", async () => {
    await timedOut();
    await page.goto(`${board.url}/experiences?range=1h`);
    const table = page.getByRole("table", { name: "Producers" });
    const { producers } = (await board.ask("/api/v1/experience/reports/experiences?by=producer")) as {
      producers: readonly { producer: string }[];
    };
    expect(producers.length).toBeGreaterThan(0);
    for (const { producer } of producers) {
      const row = table.getByRole("row", { name: producer }).first();
      await row.waitFor();
      expect(await cell(table, row, "Checkpoints")).toMatch(/^[\d.,]+K?$/);
    }
    expect(await violationsInBothThemes(page, `${board.url}/experiences?range=1h`, "Producers")).toEqual([]);
  });

  test("UI-041 an experience shows its figures against the objective, the threshold in the distribution, where runs died, and its file", async () => {
    await timedOut();
    await page.goto(`${board.url}/experiences/run_pipeline?range=1h`);
    await page.getByRole("heading", { level: 1, name: "run_pipeline" }).waitFor();
    await page
      .getByRole("figure", { name: "Apdex and runs without error over time" })
      .getByText("apdex 95 %")
      .waitFor();
    await page.getByRole("figure", { name: "Runs over time by how they ended" }).waitFor();
    await page
      .getByRole("figure", { name: /^How long \d+ runs took; good below 4\.0 s$/ })
      .getByText("threshold 4.0 s")
      .waitFor();
    await page.getByRole("region", { name: "Where timed-out runs died" }).getByText("resume").first().waitFor();
    const late = page.getByRole("region", { name: "Ended after they were given up" });
    await late.getByText(/^A timeout is suggested once 100 runs have ended; \d+ have in this time\.$/).waitFor();
    await page.getByText("To the next, p50 / p95 / p99").waitFor();
    await page.getByRole("region", { name: "Odd checkpoints" }).waitFor();
    const definition = page.getByRole("region", { name: "Definition" });
    for (const line of ["apdex_threshold_s: 4", "timeout_s: 12", "error_pct: 5"])
      await definition.getByText(line).waitFor();
    await page.getByRole("link", { name: "Timeouts" }).click();
    await page.waitForURL(/runs\?state=timed_out&experience=run_pipeline/);
  });

  test("UI-041 an experience shows how fast its budgets are spent by the windows of its alerts, and its rules to copy", async () => {
    await timedOut();
    await board.browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.goto(`${board.url}/experiences/run_pipeline?range=1h`);
    const region = page.getByRole("region", { name: "How fast the budgets are spent" });
    await region.getByText("Error budget: 5 % of the runs may fail").waitFor();
    const table = region.getByRole("table", { name: "Error budget by windows" });
    const levels = ["page after 2m", "page after 2m", "ticket after 15m", "ticket after 15m"];
    await expect.poll(() => table.locator("tbody td:first-child").allInnerTexts(), polling).toEqual(levels);
    expect(await table.locator("tbody td:nth-child(2)").allInnerTexts()).toEqual([
      "13.44 ×",
      "5.6 ×",
      "2.8 ×",
      "0.93 ×",
    ]);
    // Every figure is the API's, which goes on while the forge is busy.
    type Rates = { budgets: readonly { burning: string | null; pairs: readonly { long: { burn_rate: number } }[] }[] };
    await expect
      .poll(async () => {
        const { budgets } = (await board.ask("/api/v1/experience/reports/burn-rates?experience=run_pipeline")) as Rates;
        const [error] = budgets;
        const rate = error?.pairs[0]?.long.burn_rate ?? 0;
        const text = `1h: ${rate.toLocaleString("en", { maximumFractionDigits: rate < 100 ? 2 : 0 })} ×`;
        const badge = error?.burning === null ? "does not burn" : `burns: ${error?.burning}`;
        await page.reload();
        await table.locator("tbody tr").first().waitFor();
        const shown = await region.innerText();
        return rate > 0 && shown.includes(text) && shown.toLowerCase().includes(badge);
      }, polling)
      .toBe(true);

    const rules = page.getByRole("region", { name: "Alert rules" });
    await rules.getByText("signalbox-experience-run_pipeline").waitFor();
    await rules.getByRole("button", { name: "Copy the alert rules" }).click();
    const answer = await board.page.request.get(
      `${board.url}/api/v1/experience/rules/prometheus.yml?experience=run_pipeline`,
    );
    const text = await answer.text();
    for (const alert of ["CoveredExperienceErrorBudgetBurnPage", "CoveredExperienceApdexBudgetBurnTicket"])
      expect(text).toContain(`alert: ${alert}`);
    expect(await page.evaluate<string>("navigator.clipboard.readText()")).toBe(text);
    const whole = await rules.getByRole("link", { name: "Rules of Prometheus" }).getAttribute("href");
    expect(await (await board.page.request.get(`${board.url}${whole}`)).text()).toContain(
      "signalbox-experiences-sli-5m",
    );
  });

  test("UI-043 the past four weeks are judged by other terms, with the file to commit, and stay as they are", async () => {
    await timedOut();
    await page.goto(`${board.url}/experiences/run_pipeline?range=1h`);
    const region = page.getByRole("region", { name: "What if the terms were others" });
    const table = region.getByRole("table", { name: "As it is and as it would be" });
    await table.getByRole("img", { name: /^Error budget as it is: overspent/ }).waitFor();
    await region.getByLabel("Errors at most").fill("99");
    await table.getByRole("img", { name: /^Error budget as it would be: \d+(\.\d)?% left$/ }).waitFor();
    await region.getByLabel("Good below").fill("0.001");
    const apdex = table.getByRole("row", { name: /^Apdex \d/ });
    await expect.poll(async () => (await apdex.innerText()).split(/\s+/).at(-1), polling).toBe("0%");
    await table.getByRole("img", { name: /^Error budget as it is: overspent/ }).waitFor();

    const file = await region.getByLabel("The changed definition", { exact: true }).innerText();
    for (const line of ["apdex_threshold_s: 0.001", "timeout_s: 12", "error_pct: 99"]) expect(file).toContain(line);
    const validated = await board.ask("/api/v1/experience/definitions/validate", {
      method: "POST",
      headers: { "content-type": "application/yaml" },
      body: file,
    });
    expect(validated).toEqual({ valid: true, errors: [], warnings: [] });
    await region.getByLabel("Good below").fill("13");
    await region.getByText("The timeout is shorter than the threshold.").waitFor();
    expect(await board.ask("/api/v1/experience/definitions/run_pipeline")).toMatchObject({
      threshold_s: 4,
      slo: { error_pct: 5 },
    });
  });

  test("UI-042 runs are listed as open, overdue and ended; one shows its checkpoints, why it ended, and what else carried its id", async () => {
    const correlation = await timedOut();
    await page.goto(`${board.url}/experiences/runs`);
    const table = page.getByRole("table", { name: "Runs" });
    await table.getByText("succeeded").first().waitFor();
    await page.getByRole("tab", { name: "Open" }).click();
    await page.waitForURL(/state=open/);
    await table.getByText("open", { exact: true }).first().waitFor();
    const asked = page.waitForRequest(/experience\/runs\?.*state=stale/);
    await page.getByRole("tab", { name: "Overdue" }).click();
    await asked;
    await page.getByRole("tab", { name: "Timed out" }).click();
    await table.getByRole("link", { name: correlation }).waitFor();
    await table.getByRole("row", { name: correlation }).getByRole("link", { name: "run_pipeline" }).click();

    await page.waitForURL(new RegExp(`runs/run_pipeline/${correlation}/1`));
    const main = page.getByRole("main");
    await main.getByText("because of timeout").waitFor();
    await main.getByText("given up after 12.0 s").waitFor();
    await main.getByText("Reported by").waitFor();
    const checkpoints = page.getByRole("table", { name: "Checkpoints" });
    await checkpoints.getByText("start", { exact: true }).waitFor();
    const rows = checkpoints.getByRole("row").filter({ has: page.getByRole("img", { name: /^after / }) });
    expect(await rows.count()).toBeGreaterThanOrEqual(2);
    for (const row of await rows.all()) {
      for (const column of ["Client's time", "Server's time"])
        expect(await cell(checkpoints, row, column)).toMatch(/^\d{2}:\d{2}:\d{2}\.\d{3}$/);
      expect(await cell(checkpoints, row, "Skew")).toMatch(/ (µs|ms|s)$/);
    }
    await checkpoints.getByText("Nothing more came until the deadline").waitFor();

    const events = page.getByRole("region", { name: "Events of the same correlation id" });
    await events.getByRole("link", { name: "ci.pipeline_created", exact: true }).waitFor();
    const failed = events.getByRole("row", { name: /merge_requests\.update_head_pipeline/ });
    await failed.getByText("TypeError: The configuration of the pipeline has no stages").waitFor();
    await failed.getByText("dead", { exact: true }).waitFor();
    const errors = page.getByRole("region", { name: "Errors of the same correlation id" });
    await errors.getByRole("link", { name: /^TypeError: The configuration/ }).click();
    await page.getByRole("heading", { level: 1, name: "TypeError" }).waitFor();
  });

  test("runs are narrowed to what was odd about them, and the address says so", async () => {
    await page.goto(`${board.url}/experiences/runs`);
    const filter = page.getByRole("main").getByRole("combobox", { name: "Anomaly" });
    await filter.click();
    await page.getByRole("option", { name: "late end", exact: true }).click();
    await page.waitForURL(/anomaly=late_end/);
    // Only on a very busy machine does any end late.
    const table = page.getByRole("table", { name: "Runs" });
    await page.getByText("No journey in this time").or(table.getByText("late end").first()).first().waitFor();
  });

  test("axe finds no serious violation on an experience and on a run, in neither theme", async () => {
    const correlation = await timedOut();
    for (const [path, showing] of [
      ["/experiences/run_pipeline?range=1h", "Where timed-out runs died"],
      [`/experiences/runs/run_pipeline/${correlation}/1`, "Events of the same correlation id"],
    ] as const)
      expect(await violationsInBothThemes(page, `${board.url}${path}`, showing), path).toEqual([]);
  });

  test("no page has made its script throw", () => {
    // Asked without a token before the login, and for a threshold beyond the timeout.
    expect(board.browser.complaints.filter((text) => !/status of 40[01]/.test(text))).toEqual([]);
  });
});

/** What is left, as its bar says it: negative when overspent. */
function budgetOf(label: string): number {
  const [, overspent] = /overspent ([\d.,]+) ×/.exec(label) ?? [];
  if (overspent !== undefined) return 1 - Number(overspent.replaceAll(",", ""));
  return Number(/([\d.]+)% left/.exec(label)?.[1]) / 100;
}
