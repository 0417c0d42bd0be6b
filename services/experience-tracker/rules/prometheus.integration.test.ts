import { createRegistry } from "@signalbox/experience";
import { checkConfig, checkRules, type RulesTest, requireServers, testRules } from "@signalbox/testing/servers";
import { describe, expect, test } from "vitest";
import { define, ruleSettings } from "../testing/rule-settings.js";
import { generateText } from "./index.js";

const needed = requireServers(["promtool"]);
const labels = 'covered_experience_id="checkout",feature_category="code_review",urgency="sync_fast"';
const rules = generateText("prometheus", createRegistry([define("checkout")]).definitions, ruleSettings);
const sli = "gitlab:covered_experience_sli";

async function expectTrue(case_: Omit<RulesTest, "interval">, evaluationInterval?: string): Promise<void> {
  const { code, output } = await testRules(rules, [{ interval: "1m", ...case_ }], evaluationInterval);
  expect([code, output]).toEqual([0, expect.stringContaining("SUCCESS")]);
}

function recorded(time: string, name: string, value: number | undefined) {
  return {
    eval_time: time,
    // In hundredths: the first minutes of a counter say a little less, and binary fractions leave dust.
    expr: `round(100 * sum by (feature_category) (${sli}:${name}))`,
    exp_samples: value === undefined ? [] : [{ labels: '{feature_category="code_review"}', value: 100 * value }],
  };
}

describe.skipIf(needed.skip)(needed.title("generated rules in Prometheus' own eyes"), () => {
  test("XP-650 rules of ordinary and of hostile definitions are valid", async () => {
    const hostile = [
      "{{ .Boom }} {{{ }} {{ end }}",
      "a: b # c 'd' \"e\" \\ | > & * ! % @ ` - [ ] { }",
      "line\nline\r\n\ttab\u0000\u0007\u0085\u2028\u2029\ufeff\uffff end",
      "- yes",
      "$value $labels {{ $labels.x",
      "\ud800 half, 👩‍🚀 whole, שלום",
      "x".repeat(1000),
    ].map((description, index) => define(`hostile_${index}`, { description }));
    const odd = [
      define("yes"),
      define("tracker"),
      define("sli_5m"),
      define("z".repeat(64), { feature_category: "f".repeat(64) }),
      define("tiny", { slo: { error_pct: 1e-9, apdex_pct: 99.999_999_999 } }),
      define("huge", { slo: { error_pct: 99.9, apdex_pct: 0.1 } }),
      define("custom", { urgency: "custom", apdex_threshold_s: 0.001, timeout_s: 604_800 }),
      define("never", { alerts: { expect_traffic_within_s: 1e300, min_events: 1, min_failures: 1 } }),
      define("often", { alerts: { expect_traffic_within_s: 0.001 } }),
    ];
    for (const settings of [
      ruleSettings,
      { ...ruleSettings, metricPrefix: "gitlab_user_experience", publicUrl: "https://signalbox.example/{{x" },
      { ...ruleSettings, canaryIntervalS: 0, sliMetrics: "separate" as const },
    ]) {
      const { definitions } = createRegistry([...hostile, ...odd]);
      const { code, output } = await checkRules(generateText("prometheus", definitions, settings));
      expect([code, output]).toEqual([0, expect.stringContaining("SUCCESS")]);
    }
  });

  test("XP-658 Prometheus takes the scrape configuration that is printed", async () => {
    const [comments = ""] = rules.split("\ngroups:\n");
    const lines = comments.split("\n").filter((line) => /^# (?:scrape_configs:| )/.test(line));
    const { code, output } = await checkConfig(lines.map((line) => `${line.slice(2)}\n`).join(""));
    expect([code, output]).toEqual([0, expect.stringContaining("SUCCESS")]);
  });

  test("XP-651 rates and ratios are those of the counters, summed over types, in every window", async () => {
    const pair = (type: string): string => `${labels},type="${type}"`;
    const counter = (name: string, values: string) => ({ series: `gitlab_covered_experience_${name}}`, values });
    await expectTrue(
      {
        input_series: [
          counter(`total{${pair("web")},error="false"`, "0+54x700"),
          counter(`total{${pair("api")},error="false"`, "0+36x700"),
          counter(`total{${pair("api")},error="true"`, "0+30x700"),
          counter(`apdex_total{${pair("web")},success="true"`, "0+72x700"),
          counter(`apdex_total{${pair("web")},success="false"`, "0+18x700"),
        ],
        promql_expr_test: ["5m", "30m", "1h", "2h", "6h", "1d", "3d"].flatMap((window) => [
          recorded("10h", `ops:rate_${window}`, 2),
          recorded("10h", `error:rate_${window}`, 0.5),
          recorded("10h", `error:ratio_${window}`, 0.25),
          recorded("10h", `apdex:weight:score_${window}`, 1.5),
          recorded("10h", `apdex:success:rate_${window}`, 1.2),
          recorded("10h", `apdex:ratio_${window}`, 0.8),
        ]),
      },
      "4m",
    );
  });

  test("XP-651 no traffic gives rates of zero and no ratio; what has no series yet counts as none", async () => {
    const counter = (name: string, values: string) => ({
      series: `gitlab_covered_experience_${name},type="web"}`,
      values,
    });
    const still = { input_series: [counter(`total{${labels},error="false"`, "7x60")] };
    await expectTrue({
      ...still,
      promql_expr_test: ["5m", "1h", "1d"].flatMap((window) => [
        recorded("20m", `ops:rate_${window}`, 0),
        recorded("20m", `error:rate_${window}`, 0),
        recorded("20m", `error:ratio_${window}`, undefined),
        recorded("20m", `apdex:ratio_${window}`, undefined),
      ]),
    });
    await expectTrue({
      input_series: [
        counter(`total{${labels},error="false"`, "0+6x60"),
        counter(`apdex_total{${labels},success="false"`, "0+6x60"),
      ],
      promql_expr_test: [recorded("20m", "error:ratio_5m", 0), recorded("20m", "apdex:ratio_5m", 0)],
    });
  });

  test("XP-651 a counter that begins anew is no negative rate", async () => {
    await expectTrue({
      input_series: [
        {
          series: `gitlab_covered_experience_total{${labels},type="web",error="true"}`,
          values: "1000+60x10 0+60x40",
        },
        { series: `gitlab_covered_experience_total{${labels},type="web",error="false"}`, values: "0+60x60" },
      ],
      // The minute in which it happened is what cannot be known.
      promql_expr_test: [
        recorded("40m", "error:rate_5m", 1),
        recorded("40m", "error:ratio_5m", 0.5),
        {
          eval_time: "40m",
          expr: `sum(${sli}:error:rate_30m > 0.9) < bool 1.05`,
          exp_samples: [{ labels: "{}", value: 1 }],
        },
      ],
    });
  });

  test("XP-656 XP-730 nothing is recorded of the canary", async () => {
    await expectTrue({
      input_series: [
        {
          series:
            'gitlab_covered_experience_total{covered_experience_id="signalbox_canary",feature_category="not_owned",urgency="sync_fast",type="web",error="true"}',
          values: "0+6x60",
        },
        {
          series: 'signalbox_experience_discards_total{covered_experience_id="signalbox_canary",reason="user_error"}',
          values: "0+6x60",
        },
      ],
      promql_expr_test: [
        {
          eval_time: "30m",
          expr: 'count({covered_experience_id="signalbox_canary",__name__=~"gitlab:.*|ALERTS"}) or vector(0)',
          exp_samples: [{ labels: "{}", value: 0 }],
        },
      ],
    });
  });
});
