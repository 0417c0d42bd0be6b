import { Anchor, Group, Text } from "@mantine/core";
import { IconRoute } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useRangeSearch, useTimeRange } from "../../shared/time-range.js";
import { Panel, PanelFigure, PanelFigures, PanelNote, PanelRow } from "./panel.js";

const shownBudgets = 3;
const shownRuns = 3;
const parts = 40;

interface BrokenRun {
  readonly covered_experience_id: string;
  readonly correlation_id: string;
  readonly run: string;
  readonly state: string;
  readonly last_seen?: { readonly category?: string };
  readonly verdict?: { readonly verdict_at: string };
}

/** Which journeys break: the most spent budgets, and the latest that broke. */
export function ExperiencesPanel() {
  const range = useTimeRange();
  const rangeSearch = useRangeSearch();
  useLive({ "experience.verdicts": ["experience", "overview"] });
  const query = useQuery({
    queryKey: ["experience", "overview", range.key],
    queryFn: async () => {
      const window = { from: range.since(), ...(range.until === undefined ? {} : { to: range.until }) };
      const [budgets, now, series, broken] = await Promise.all([
        dataOf(api.GET("/api/v1/experience/reports/experiences", { params: { query: { window: "28d" } } })),
        dataOf(api.GET("/api/v1/experience/reports/experiences", { params: { query: window } })),
        dataOf(api.GET("/api/v1/experience/reports/series", { params: { query: { ...window, points: parts } } })),
        dataOf(
          api.GET("/api/v1/experience/runs", { params: { query: { state: "timed_out,failed", limit: shownRuns } } }),
        ),
      ]);
      const fromMs = Date.parse(series.from);
      const sum = (figureOf: (point: { readonly operations: number; readonly errors: number }) => number): number[] => {
        const values = Array.from({ length: parts }, () => 0);
        for (const { points } of series.series)
          for (const point of points) {
            const part = Math.min(parts - 1, Math.round((Date.parse(point.at) - fromMs) / (series.step_s * 1000)));
            values[part] = (values[part] ?? 0) + figureOf(point);
          }
        return values;
      };
      return {
        budgets: budgets.experiences,
        operations: now.experiences.reduce((total, row) => total + row.operations, 0),
        errors: now.experiences.reduce((total, row) => total + row.errors, 0),
        open: now.experiences.reduce((total, row) => total + row.open, 0),
        timeouts: now.experiences.reduce((total, row) => total + row.timeouts, 0),
        trend: sum(({ operations }) => operations),
        broken: sum(({ errors }) => errors),
        // The API describes a run in words, since open and ended ones differ in what they have.
        runs: broken.runs as unknown as readonly BrokenRun[],
      };
    },
    refetchInterval: 20_000,
    placeholderData: (previous) => previous,
  });
  const data = query.data;
  const overspent = (data?.budgets ?? []).filter((row) => (leftOf(row) ?? 1) < 0).length;
  return (
    <Panel
      title="Experiences"
      to={`/experiences${rangeSearch}`}
      icon={<IconRoute size={18} stroke={1.7} aria-hidden />}
      state={
        data &&
        (overspent > 0
          ? { tone: "bad", text: `${overspent} over budget` }
          : data.errors > 0
            ? { tone: "warn", text: `${formatCount(data.errors)} broke` }
            : { tone: "good", text: "none broke" })
      }
      {...(data && data.operations > 0
        ? {
            figure: (
              <PanelFigures>
                <PanelFigure
                  value={formatShare((data.operations - data.errors) / data.operations)}
                  label={`of ${formatCount(data.operations)} went well`}
                />
                <PanelFigure value={formatCount(data.timeouts)} label="timed out" bad={data.timeouts > 0} />
                <PanelFigure value={formatCount(data.open)} label="open now" />
              </PanelFigures>
            ),
            trend: (
              <Sparkline
                values={data.trend}
                overlay={data.broken}
                stretch
                height={36}
                width={240}
                label={`${data.operations} journeys, ${data.errors} of them broke, ${data.timeouts} by a timeout`}
              />
            ),
          }
        : {})}
    >
      <Loaded query={query} skeleton={5} inset>
        {({ budgets, runs }) => {
          const spent = budgets.filter((row) => leftOf(row) !== null).slice(0, shownBudgets);
          if (spent.length === 0 && runs.length === 0)
            return <PanelNote>No journey has ended yet. Services report them by the experience SDK.</PanelNote>;
          return (
            <>
              {spent.map((row) => {
                const left = leftOf(row) ?? 1;
                return (
                  <PanelRow
                    key={row.covered_experience_id}
                    left={
                      <Anchor
                        component={Link}
                        to={`/experiences/${row.covered_experience_id}${rangeSearch}`}
                        size="sm"
                        fw={600}
                        truncate
                        display="block"
                      >
                        {row.covered_experience_id}
                      </Anchor>
                    }
                    right={
                      <Text
                        size="sm"
                        className="figure"
                        c={left < 0 ? "var(--app-bad)" : undefined}
                        fw={left < 0 ? 600 : 400}
                      >
                        {left < 0 ? "budget overspent" : `${formatShare(left)} of the budget left`}
                      </Text>
                    }
                  />
                );
              })}
              {runs.map((run) => (
                <PanelRow
                  key={`${run.covered_experience_id}.${run.correlation_id}.${run.run}`}
                  left={
                    <Group gap={8} wrap="nowrap">
                      <Text size="sm" c="var(--app-bad)" style={{ flex: "none" }}>
                        {run.state.replaceAll("_", " ")}
                      </Text>
                      <Anchor component={Link} to={`/timeline/${run.correlation_id}`} size="sm" truncate>
                        {run.covered_experience_id}
                      </Anchor>
                    </Group>
                  }
                  right={<Ago at={run.verdict?.verdict_at ?? null} size="xs" />}
                />
              ))}
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}

function leftOf(row: {
  readonly error_budget_remaining: number | null;
  readonly apdex_budget_remaining: number | null;
}): number | null {
  const { error_budget_remaining: error, apdex_budget_remaining: apdex } = row;
  if (error === null) return apdex;
  return apdex === null ? error : Math.min(error, apdex);
}
