import { Anchor, Breadcrumbs, Button, Code, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { Link, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { Card, Figure } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { formatSeconds } from "../../shared/time.js";
import { useRangeSearch, useTimeRange } from "../../shared/time-range.js";
import { AlertRules } from "./alert-rules.js";
import { BudgetBar } from "./budget-bar.js";
import { BurnRates } from "./burn-rates.js";
import { definitionAsYaml } from "./definition-as-yaml.js";
import type { ExperienceReport } from "./figures.js";
import { DiedAfter, Funnel } from "./funnel.js";
import { Oddities } from "./oddities.js";
import { WhatIf } from "./what-if.js";

// The library of charts is loaded with the first chart.
const SliChart = lazy(async () => ({ default: (await import("./charts.js")).SliChart }));
const LatencyChart = lazy(async () => ({ default: (await import("./charts.js")).LatencyChart }));
const VolumeChart = lazy(async () => ({ default: (await import("./charts.js")).VolumeChart }));

const points = 48;

/** One experience: its figures against its objective, and where journeys die. */
export function ExperiencePage() {
  const { experience = "" } = useParams();
  const range = useTimeRange();
  const rangeSearch = useRangeSearch();
  useLive({ "experience.verdicts": ["experience", "reports", "detail", experience] });
  const report = useQuery({
    queryKey: ["experience", "reports", "detail", experience, range.key],
    queryFn: async () => {
      const window = { from: range.since(), ...(range.until === undefined ? {} : { to: range.until }) };
      const [definition, budgets, now, series, latency, funnel, lateness] = await Promise.all([
        dataOf(api.GET("/api/v1/experience/definitions/{id}", { params: { path: { id: experience } } })),
        dataOf(api.GET("/api/v1/experience/reports/experiences", { params: { query: { window: "28d" } } })),
        dataOf(api.GET("/api/v1/experience/reports/experiences", { params: { query: window } })),
        dataOf(api.GET("/api/v1/experience/reports/series", { params: { query: { ...window, points, experience } } })),
        dataOf(api.GET("/api/v1/experience/reports/latency", { params: { query: { ...window, experience } } })),
        dataOf(api.GET("/api/v1/experience/reports/funnel", { params: { query: { ...window, experience } } })),
        dataOf(api.GET("/api/v1/experience/reports/lateness", { params: { query: { ...window, experience } } })),
      ]);
      const find = ({ experiences }: typeof now) =>
        experiences.find(({ covered_experience_id: id }) => id === experience);
      return { definition, budget: find(budgets), now: find(now), series, latency, funnel, lateness };
    },
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  const runs = (state: string): string =>
    `/experiences/runs?state=${state}&experience=${encodeURIComponent(experience)}`;
  return (
    <Stack gap="xs">
      <Breadcrumbs fz="sm">
        <Anchor component={Link} to={`/experiences${rangeSearch}`} size="sm">
          Experiences
        </Anchor>
        <Text size="sm">{experience}</Text>
      </Breadcrumbs>
      <Page
        title={experience}
        subtitle={textOf(report.data?.definition, "description")}
        actions={
          <>
            <Button component={Link} to={runs("timed_out")} size="xs" variant="default">
              Timeouts
            </Button>
            <Button component={Link} to={runs("finished")} size="xs" variant="default">
              All runs
            </Button>
          </>
        }
      >
        <Loaded query={report} skeleton={12}>
          {({ definition, budget, now, series, latency, funnel, lateness }) => (
            <Stack gap="md">
              {budget && now && <Figures budget={budget} now={now} />}
              <BurnRates experience={experience} />
              {now?.operations === 0 ? (
                <Empty title="No journey ended in this time">
                  <Button component={Link} to="?range=30d" size="xs" variant="default" mt="sm">
                    Look at the last 30 days
                  </Button>
                </Empty>
              ) : (
                <Suspense fallback={null}>
                  <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
                    <Card title="Against the objective">{now && <SliChart answer={series} slo={now.slo} />}</Card>
                    <Card title="Runs and how they ended">
                      <VolumeChart answer={series} />
                    </Card>
                    <Card title="How long runs took">
                      <LatencyChart answer={latency} />
                    </Card>
                    <DiedAfter funnel={funnel} experience={experience} />
                  </SimpleGrid>
                  <Funnel funnel={funnel} />
                  <Oddities experience={experience} lateness={lateness} />
                </Suspense>
              )}
              {budget && <WhatIf definition={definition} report={budget} />}
              <Card
                title="Definition"
                actions={<Copy value={definitionAsYaml(definition)} label="Copy the definition" />}
              >
                <Code block tabIndex={0}>
                  {definitionAsYaml(definition)}
                </Code>
              </Card>
              <AlertRules experience={experience} />
            </Stack>
          )}
        </Loaded>
      </Page>
    </Stack>
  );
}

function Figures({ budget, now }: { readonly budget: ExperienceReport; readonly now: ExperienceReport }) {
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="sm">
      <Figure label="Error budget, 28 days" hint={`errors at most ${budget.slo.error_pct} %`}>
        <BudgetBar remaining={budget.error_budget_remaining} label="Error budget of 28 days" />
      </Figure>
      <Figure label="Apdex budget, 28 days" hint={`apdex at least ${budget.slo.apdex_pct} %`}>
        <BudgetBar remaining={budget.apdex_budget_remaining} label="Apdex budget of 28 days" />
      </Figure>
      <Figure label="Apdex" hint={`${formatCount(now.apdex_success)} of ${formatCount(now.apdex_weight)} satisfied`}>
        {formatShare(now.apdex_ratio)}
      </Figure>
      <Figure
        label="Errors"
        tone={now.errors > 0 ? "bad" : undefined}
        hint={`${formatCount(now.errors)} of ${formatCount(now.operations)} runs`}
      >
        {formatShare(now.error_ratio)}
      </Figure>
      <Figure
        label="Timeouts"
        tone={now.timeouts > 0 ? "bad" : undefined}
        hint={`given up after ${formatSeconds(now.timeout_s)}`}
      >
        {formatCount(now.timeouts)}
      </Figure>
      <Figure label="p95" hint={`good below ${formatSeconds(now.threshold_s)}`}>
        {formatSeconds(now.p95_s)}
      </Figure>
    </SimpleGrid>
  );
}

function textOf(value: object | undefined, name: string): string | undefined {
  const found: unknown = value === undefined ? undefined : Reflect.get(value, name);
  return typeof found === "string" ? found : undefined;
}
