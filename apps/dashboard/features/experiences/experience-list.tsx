import { Anchor, Badge, Code, Group, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Empty, Loaded } from "../../shared/states.js";
import { formatSeconds } from "../../shared/time.js";
import { useRangeSearch, useTimeRange } from "../../shared/time-range.js";
import { useUrlState } from "../../shared/url-state.js";
import { BudgetBar } from "./budget-bar.js";
import { type ExperienceReport, type SeriesAnswer, spread, worstBudget } from "./figures.js";
import { ProducersAndJourneys } from "./producers.js";

const trendParts = 32;

/** What the server watches by itself. */
const reservedPrefix = "signalbox_";

const sampleDefinition = `# config/covered_experiences/pay_order.yml
description: A customer pays an order
feature_category: shop
urgency: sync_fast # happy within 2 s, failed after 30`;

/** What to do next where no journey of an application is defined yet. */
function HowToDefine() {
  return (
    <Empty title="No journey of yours is defined" snippet={sampleDefinition}>
      A journey is what a person sets out to do. Say in a file what it promises, where the server is started (or where{" "}
      <Code>experience.definitions</Code> says), and report its start, its steps and its end by the experience SDK.
    </Empty>
  );
}

interface Row {
  readonly id: string;
  /** Of 28 days. */
  readonly budget: ExperienceReport;
  /** Of the time that is looked at. */
  readonly now: ExperienceReport | undefined;
  readonly trend: readonly number[];
  readonly broken: readonly number[];
}

/** Do the journeys of users work? The most overspent budget first. */
export function ExperienceList() {
  const url = useUrlState();
  const range = useTimeRange();
  const rangeSearch = useRangeSearch();
  const search = url.get("search");
  useLive({ "experience.verdicts": ["experience", "reports"] });
  const query = useQuery({
    queryKey: ["experience", "reports", "list", range.key],
    queryFn: async () => {
      const window = { from: range.since(), ...(range.until === undefined ? {} : { to: range.until }) };
      const [budgets, now, series] = await Promise.all([
        dataOf(api.GET("/api/v1/experience/reports/experiences", { params: { query: { window: "28d" } } })),
        dataOf(api.GET("/api/v1/experience/reports/experiences", { params: { query: window } })),
        dataOf(api.GET("/api/v1/experience/reports/series", { params: { query: { ...window, points: trendParts } } })),
      ]);
      return { rows: rowsOf(budgets.experiences, now.experiences, series), journeys: budgets.journeys };
    },
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  const columns = useMemo(() => columnsFor(range.label, rangeSearch), [range.label, rangeSearch]);
  return (
    <Page title="Experiences" subtitle="Do the journeys of users work? The most spent budget first.">
      <Loaded query={query} skeleton={8}>
        {({ rows, journeys }) => {
          const shown = rows.filter(({ id, budget }) =>
            `${id} ${budget.feature_category}`.toLowerCase().includes(search.toLowerCase()),
          );
          if (rows.length === 0) return <HowToDefine />;
          return (
            <>
              <DataTable
                label="Experiences"
                rows={byCategory(shown)}
                rowKey={({ id }) => id}
                columns={columns}
                groupOf={({ budget }) => budget.feature_category.replaceAll("_", " ")}
                empty={<Empty title="No experience matches" />}
                toolbar={
                  <TextInput
                    aria-label="Search experiences"
                    placeholder="Search by name or feature category"
                    size="xs"
                    leftSection={<IconSearch size={14} aria-hidden />}
                    w={{ base: "100%", sm: 320 }}
                    value={search}
                    onChange={(event) => url.set({ search: event.currentTarget.value }, { replace: true })}
                  />
                }
              />
              {rows.every(({ id }) => id.startsWith(reservedPrefix)) && <HowToDefine />}
              <ProducersAndJourneys journeys={journeys} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function rowsOf(
  budgets: readonly ExperienceReport[],
  now: readonly ExperienceReport[],
  series: SeriesAnswer,
): readonly Row[] {
  const current = new Map(now.map((row) => [row.covered_experience_id, row]));
  const points = new Map(series.series.map((one) => [one.covered_experience_id, one.points]));
  return budgets.map((budget) => {
    const own = points.get(budget.covered_experience_id) ?? [];
    return {
      id: budget.covered_experience_id,
      budget,
      now: current.get(budget.covered_experience_id),
      trend: spread(series, own, ({ operations }) => operations).map(({ count }) => count),
      broken: spread(series, own, ({ errors }) => errors).map(({ count }) => count),
    };
  });
}

/** The server sends the worst first, so a category stands where its worst experience does. */
function byCategory(rows: readonly Row[]): readonly Row[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const own = groups.get(row.budget.feature_category) ?? [];
    own.push(row);
    groups.set(row.budget.feature_category, own);
  }
  return [...groups.values()].flat();
}

function columnsFor(period: string, rangeSearch: string): readonly Column<Row>[] {
  return [
    {
      id: "experience",
      header: "Experience",
      value: ({ id }) => id,
      cell: ({ id, budget }) => (
        <>
          <Anchor component={Link} to={`/experiences/${id}${rangeSearch}`} size="sm" fw={600}>
            {id}
          </Anchor>
          <Text size="xs" c="dimmed">
            {budget.urgency.replaceAll("_", " ")} · good below {formatSeconds(budget.threshold_s)}
          </Text>
        </>
      ),
    },
    {
      id: "budget",
      header: "Budget, 28 days",
      width: 150,
      value: ({ budget }) => worstBudget(budget),
      cell: ({ budget }) => <BudgetBar remaining={worstBudget(budget)} label="Error budget of 28 days" />,
    },
    {
      id: "trend",
      header: period,
      width: 140,
      wideOnly: true,
      unsorted: true,
      value: ({ now }) => now?.operations ?? 0,
      cell: ({ trend, broken, now }) => (
        <TrendLine trend={trend} broken={broken} total={now?.operations ?? 0} errors={now?.errors ?? 0} />
      ),
    },
    {
      id: "runs",
      header: "Runs",
      width: 80,
      align: "right",
      wideOnly: true,
      value: ({ now }) => now?.operations ?? 0,
      cell: ({ now }) => formatCount(now?.operations ?? 0),
    },
    {
      id: "apdex",
      header: "Apdex",
      width: 84,
      align: "right",
      wideOnly: true,
      value: ({ now }) => now?.apdex_ratio ?? null,
      cell: ({ now }) => formatShare(now?.apdex_ratio),
    },
    {
      id: "errors",
      header: "Errors",
      width: 84,
      align: "right",
      // The budget beside the name says the same.
      wideOnly: true,
      value: ({ now }) => now?.error_ratio ?? null,
      cell: ({ now }) => <Bad is={(now?.errors ?? 0) > 0}>{formatShare(now?.error_ratio)}</Bad>,
    },
    {
      id: "timeouts",
      header: "Timeouts",
      width: 96,
      align: "right",
      wideOnly: true,
      value: ({ now }) => now?.timeouts ?? 0,
      cell: ({ id, now }) =>
        (now?.timeouts ?? 0) > 0 ? (
          <Anchor
            component={Link}
            size="sm"
            c="var(--app-bad)"
            to={`/experiences/runs?state=timed_out&experience=${encodeURIComponent(id)}`}
          >
            {formatCount(now?.timeouts ?? 0)}
          </Anchor>
        ) : (
          0
        ),
    },
    {
      id: "open",
      header: "Open",
      width: 72,
      align: "right",
      wideOnly: true,
      value: ({ budget }) => budget.open,
      cell: ({ id, budget }) =>
        budget.open > 0 ? (
          <Anchor component={Link} size="sm" to={`/experiences/runs?state=open&experience=${encodeURIComponent(id)}`}>
            {formatCount(budget.open)}
          </Anchor>
        ) : (
          0
        ),
    },
    {
      id: "p95",
      header: "p95",
      width: 84,
      align: "right",
      wideOnly: true,
      hidden: true,
      value: ({ now }) => now?.p95_s ?? null,
      cell: ({ now }) => formatSeconds(now?.p95_s),
    },
    {
      id: "complete",
      header: "Measured",
      width: 110,
      wideOnly: true,
      hidden: true,
      value: ({ budget }) => (budget.complete ? 1 : 0),
      cell: ({ budget }) => (
        <Group gap={4}>
          {budget.complete ? (
            "without gaps"
          ) : (
            <Badge size="xs" variant="light" color="yellow">
              {formatSeconds(budget.gap_s)} missing
            </Badge>
          )}
        </Group>
      ),
    },
  ];
}

/** All runs, and in front of them those that broke. */
function TrendLine({
  trend,
  broken,
  total,
  errors,
}: {
  readonly trend: readonly number[];
  readonly broken: readonly number[];
  readonly total: number;
  readonly errors: number;
}) {
  const label = `${total} runs, ${errors} of them broke`;
  return <Sparkline values={trend} overlay={broken} label={label} width={116} height={26} />;
}

function Bad({ is, children }: { readonly is: boolean; readonly children: React.ReactNode }) {
  return (
    <Text span size="sm" c={is ? "var(--app-bad)" : undefined} fw={is ? 600 : undefined}>
      {children}
    </Text>
  );
}
