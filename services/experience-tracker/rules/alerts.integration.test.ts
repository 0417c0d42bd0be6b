import { type RulesTest, requireServers, testRules } from "@signalbox/testing/servers";
import { describe, expect, test } from "vitest";
import { define, ruleSettings } from "../testing/rule-settings.js";
import { generateText } from "./index.js";

const checkout = define("checkout");
const rules = generateText("prometheus", [checkout], ruleSettings);
const labels = 'covered_experience_id="checkout",feature_category="code_review",urgency="sync_fast"';

/** Counters of one experience over the minutes of a test; those that are not given stand still. */
function counters(of: { good?: string; failed?: string; slow?: string; discarded?: string }, matchers = labels) {
  const still = "0x2000";
  const { good = still, failed = still, slow = still, discarded = still } = of;
  const pair = `${matchers},type="web"`;
  return [
    { series: `gitlab_covered_experience_total{${pair},error="false"}`, values: good },
    { series: `gitlab_covered_experience_total{${pair},error="true"}`, values: failed },
    { series: `gitlab_covered_experience_apdex_total{${pair},success="true"}`, values: good },
    { series: `gitlab_covered_experience_apdex_total{${pair},success="false"}`, values: slow },
    { series: `gitlab_covered_experience_info{${matchers}}`, values: "1x2000" },
    {
      series: 'signalbox_experience_discards_total{covered_experience_id="checkout",reason="user_error"}',
      values: discarded,
    },
  ];
}

/** How many alerts of a pattern of names have fired until a time. */
function everFired(time: string, pattern: string, alerts: number, state = "firing") {
  return {
    eval_time: time,
    expr: `count(count by (alertname) (count_over_time(ALERTS{alertname=~"${pattern}",alertstate=~"${state}"}[${time}]))) or vector(0)`,
    exp_samples: [{ labels: "{}", value: alerts }],
  };
}

function firing(time: string, alertname: string, alerts: number) {
  return {
    eval_time: time,
    expr: `count(ALERTS{alertname="${alertname}",alertstate="firing"}) or vector(0)`,
    exp_samples: [{ labels: "{}", value: alerts }],
  };
}

async function expectTrue(tests: readonly Omit<RulesTest, "interval">[], evaluationInterval?: string, text = rules) {
  const { code, output } = await testRules(
    text,
    tests.map((each) => ({ interval: "1m", ...each })),
    evaluationInterval,
  );
  expect([code, output]).toEqual([0, expect.stringContaining("SUCCESS")]);
}

const needed = requireServers(["promtool"]);

describe.skipIf(needed.skip)(needed.title("generated alerts in Prometheus' own eyes"), () => {
  test("XP-653 XP-654 XP-656 a steady 9 % failure rate pages, and tells which experience and over which windows", async () => {
    const linked = generateText("prometheus", [checkout], { ...ruleSettings, publicUrl: "https://signalbox.example" });
    const alert = "CoveredExperienceErrorBudgetBurnPage";
    await expectTrue(
      [
        {
          input_series: counters({ good: "0+9.1x60", failed: "0+0.9x60" }),
          promql_expr_test: [firing("2m", alert, 0), everFired("40m", "CoveredExperienceApdex.*", 0)],
          alert_rule_test: [
            {
              eval_time: "40m",
              alertname: alert,
              exp_alerts: [
                {
                  exp_labels: {
                    covered_experience_id: "checkout",
                    feature_category: "code_review",
                    urgency: "sync_fast",
                    severity: "page",
                  },
                  exp_annotations: {
                    summary: "9% of the runs of checkout fail, 0.05% may",
                    description:
                      "A user opens a merge request. The budget of 28 days is spent more than 13.44 times as fast over 1h and 5m or 5.6 times as fast over 6h and 30m.",
                    long_window: "1h or 6h",
                    short_window: "5m or 30m",
                    runbook_url: "https://signalbox.example/experiences/runs?state=failed&experience=checkout",
                    dashboard_url: "https://signalbox.example/experiences/checkout",
                  },
                },
              ],
            },
          ],
        },
      ],
      undefined,
      linked,
    );
  });

  test("XP-653 slow runs page by the apdex objective, and errors are none of its business", async () => {
    await expectTrue([
      {
        input_series: counters({ good: "0+9x60", slow: "0+1x60" }),
        promql_expr_test: [
          firing("40m", "CoveredExperienceApdexBudgetBurnPage", 1),
          everFired("40m", "CoveredExperienceError.*", 0),
        ],
      },
    ]);
  });

  test("XP-654 one failure among 40 operations never alerts, however young the series are", async () => {
    const burst = { good: "0 39x90", failed: "0 1x90", slow: "0 1x90" };
    const later = { good: "0x20 39x90", failed: "0x20 1x90", slow: "0x20 1x90" };
    const spread = { good: "0+1x40 40x90", failed: "0x20 1x90", slow: "0x20 1x90" };
    // Not even for a moment.
    const never = everFired("75m", ".*BudgetBurn.*", 0, "firing|pending");
    await expectTrue([burst, later, spread].map((of) => ({ input_series: counters(of), promql_expr_test: [never] })));
  });

  test("XP-654 three failures are enough, two are not, nor are three of nine operations", async () => {
    const of = (good: number, failed: number) => counters({ good: `0 ${good}x60`, failed: `0 ${failed}x60` });
    const page = "CoveredExperienceErrorBudgetBurn.*";
    await expectTrue([
      { input_series: of(37, 3), promql_expr_test: [everFired("30m", page, 2)] },
      { input_series: of(38, 2), promql_expr_test: [everFired("30m", page, 0)] },
      { input_series: of(6, 3), promql_expr_test: [everFired("30m", page, 0)] },
      { input_series: of(7, 3), promql_expr_test: [everFired("30m", page, 2)] },
    ]);
  });

  test("XP-653 a slow burn opens a ticket and calls nobody: over a day and over three", async () => {
    const page = everFired("26h", ".*BurnPage", 0);
    const of = (failed: number) => counters({ good: `0+1000x1700`, failed: `0+${failed}x1700` });
    await expectTrue(
      [
        // 0.2 %: four times as fast as allowed. 0.06 %: 1.2 times. 0.04 %: it may.
        { input_series: of(2), promql_expr_test: [firing("26h", "CoveredExperienceErrorBudgetBurnTicket", 1), page] },
        { input_series: of(0.6), promql_expr_test: [firing("26h", "CoveredExperienceErrorBudgetBurnTicket", 1), page] },
        { input_series: of(0.4), promql_expr_test: [everFired("26h", ".*Burn.*", 0)] },
      ],
      "10m",
    );
  });

  test("XP-653 an outage that is over calls nobody any more: the short window ends it", async () => {
    await expectTrue([
      {
        input_series: counters({ good: "0+9x20 180+10x60", failed: "0+1x20 20x60" }),
        promql_expr_test: [
          firing("20m", "CoveredExperienceErrorBudgetBurnPage", 1),
          firing("65m", "CoveredExperienceErrorBudgetBurnPage", 0),
        ],
      },
    ]);
  });

  test("XP-656 an experience that has changed its category alerts once, by its present one", async () => {
    const before = labels.replace("code_review", "source_code");
    await expectTrue([
      {
        input_series: [
          ...counters({ good: "0+9x20 180x60", failed: "0+1x20 20x60" }, before),
          ...counters({ good: "0x20 0+9x60", failed: "0x20 0+1x60" }).slice(0, 4),
        ],
        promql_expr_test: [
          firing("50m", "CoveredExperienceErrorBudgetBurnPage", 1),
          everFired("50m", "CoveredExperienceMetricsAbsent", 0),
        ],
      },
    ]);
  });

  test("XP-655 an experience that the tracker does not show any more has a ticket after a quarter of an hour", async () => {
    await expectTrue([
      {
        input_series: [{ series: `gitlab_covered_experience_info{${labels}}`, values: "1x10 stale" }],
        promql_expr_test: [
          firing("10m", "CoveredExperienceMetricsAbsent", 0),
          firing("20m", "CoveredExperienceMetricsAbsent", 0),
          firing("30m", "CoveredExperienceMetricsAbsent", 1),
        ],
      },
    ]);
  });

  test("XP-655 traffic that is expected and does not come has a ticket, but not before it was watched for so long", async () => {
    const expecting = generateText(
      "prometheus",
      [define("checkout", { alerts: { expect_traffic_within_s: 1800 } })],
      ruleSettings,
    );
    const starts = (values: string) => ({
      series: `gitlab_covered_experience_checkpoint_total{${labels},type="web",checkpoint="start"}`,
      values,
    });
    const info = { series: `gitlab_covered_experience_info{${labels}}`, values: "1x200" };
    const alert = "CoveredExperienceNoTraffic";
    await expectTrue(
      [
        {
          input_series: [info, starts("0+1x30 30x60")],
          promql_expr_test: [everFired("55m", alert, 0), firing("65m", alert, 1)],
        },
        {
          input_series: [info, starts("0x90")],
          promql_expr_test: [everFired("29m", alert, 0), firing("34m", alert, 1)],
        },
        { input_series: [info, starts("0+0.1x90")], promql_expr_test: [everFired("85m", alert, 0)] },
      ],
      undefined,
      expecting,
    );
    expect(rules).not.toContain(alert);
  });

  test("XP-655 a tracker whose canary has not come through, or is not to be seen, calls somebody", async () => {
    const series = "signalbox_experience_canary_last_success_timestamp_seconds";
    const alert = "CoveredExperienceTrackerBlind";
    await expectTrue([
      {
        input_series: [{ series, values: "0+60x10 600x20" }],
        promql_expr_test: [everFired("14m", alert, 0), firing("19m", alert, 1)],
      },
      { input_series: [{ series, values: "0+60x60" }], promql_expr_test: [everFired("50m", alert, 0)] },
      { input_series: [], promql_expr_test: [firing("5m", alert, 1)] },
    ]);
  });

  test("XP-655 a reaper that stays behind for five minutes has a ticket", async () => {
    const of = (values: string) => [{ series: "signalbox_experience_oldest_overdue_seconds", values }];
    const alert = "CoveredExperienceReaperBehind";
    await expectTrue([
      { input_series: of("61x10"), promql_expr_test: [firing("4m", alert, 0), firing("6m", alert, 1)] },
      { input_series: of("60x10"), promql_expr_test: [everFired("10m", alert, 0)] },
    ]);
  });

  test("XP-623 twenty discards, a fifth of all there was, have a ticket; fewer or rarer ones have none", async () => {
    const of = (discarded: number, good: number) => counters({ discarded: `0 ${discarded}x40`, good: `0 ${good}x40` });
    const alert = "CoveredExperienceDiscardsHigh";
    await expectTrue([
      { input_series: of(21, 80), promql_expr_test: [firing("30m", alert, 1)] },
      { input_series: of(20, 0), promql_expr_test: [firing("30m", alert, 1)] },
      { input_series: of(21, 90), promql_expr_test: [everFired("30m", alert, 0)] },
      { input_series: of(19, 0), promql_expr_test: [everFired("30m", alert, 0)] },
    ]);
  });
});
