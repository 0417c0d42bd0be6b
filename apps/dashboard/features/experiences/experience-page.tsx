import { Anchor, Badge, Breadcrumbs, Button, Code, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
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
import { BudgetBar } from "./budget-bar.js";
import { definitionAsYaml } from "./definition-as-yaml.js";
import type { ExperienceReport, FunnelAnswer } from "./figures.js";
import { Oddities } from "./oddities.js";

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
      const [definition, budgets, now, series, latency, funnel] = await Promise.all([
        dataOf(api.GET("/api/v1/experience/definitions/{id}", { params: { path: { id: experience } } })),
        dataOf(api.GET("/api/v1/experience/reports/experiences", { params: { query: { window: "28d" } } })),
        dataOf(api.GET("/api/v1/experience/reports/experiences", { params: { query: window } })),
        dataOf(api.GET("/api/v1/experience/reports/series", { params: { query: { ...window, points, experience } } })),
        dataOf(api.GET("/api/v1/experience/reports/latency", { params: { query: { ...window, experience } } })),
        dataOf(api.GET("/api/v1/experience/reports/funnel", { params: { query: { ...window, experience } } })),
      ]);
      const find = ({ experiences }: typeof now) =>
        experiences.find(({ covered_experience_id: id }) => id === experience);
      return { definition, budget: find(budgets), now: find(now), series, latency, funnel };
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
          {({ definition, budget, now, series, latency, funnel }) => (
            <Stack gap="md">
              {budget && now && <Figures budget={budget} now={now} />}
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
                  <Oddities experience={experience} report={now} />
                </Suspense>
              )}
              <Card
                title="Definition"
                actions={<Copy value={definitionAsYaml(definition)} label="Copy the definition" />}
              >
                <Code block tabIndex={0}>
                  {definitionAsYaml(definition)}
                </Code>
              </Card>
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

/** Where journeys that timed out were seen last, and what should have come. */
function DiedAfter({ funnel, experience }: { readonly funnel: FunnelAnswer; readonly experience: string }) {
  return (
    <Card title="Where timed-out runs died">
      {funnel.died_after.length === 0 ? (
        <Text size="sm" c="dimmed" py="md">
          None timed out.
        </Text>
      ) : (
        <Stack gap="sm">
          {funnel.died_after.slice(0, 6).map(({ step, count, share, usual_next: next }) => (
            <div key={step}>
              <Group justify="space-between" gap="xs">
                <Text size="sm">
                  after <b>{step.replaceAll("_", " ")}</b>
                  {next && (
                    <Text span size="sm" c="dimmed">
                      , where {next.replaceAll("_", " ")} should have come
                    </Text>
                  )}
                </Text>
                <Anchor
                  component={Link}
                  size="sm"
                  className="figure"
                  to={`/experiences/runs?state=timed_out&experience=${encodeURIComponent(experience)}`}
                >
                  {formatCount(count)}
                </Anchor>
              </Group>
              <Bar share={share ?? 0} color="var(--app-bad)" />
            </div>
          ))}
        </Stack>
      )}
    </Card>
  );
}

function Bar({ share, color }: { readonly share: number; readonly color: string }) {
  return (
    <div style={{ height: 8, borderRadius: 4, background: "var(--app-quiet)", marginTop: 4, overflow: "hidden" }}>
      <div style={{ width: `${Math.min(100, share * 100)}%`, height: "100%", background: color }} />
    </div>
  );
}

/** How far runs come, step by step. */
function Funnel({ funnel }: { readonly funnel: FunnelAnswer }) {
  return (
    <Card title={`Steps of ${formatCount(funnel.runs)} runs`} flush>
      <Table.ScrollContainer minWidth={560}>
        <Table fz="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={180}>Step</Table.Th>
              <Table.Th>Runs that reached it</Table.Th>
              <Table.Th w={90} ta="right">
                Runs
              </Table.Th>
              <Table.Th w={150} ta="right">
                To the next, p50 / p95
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {funnel.steps.map(({ step, runs, share, p50_s: p50, p95_s: p95 }) => (
              <Table.Tr key={step}>
                <Table.Td>{step.replaceAll("_", " ")}</Table.Td>
                <Table.Td>
                  <Group gap="sm" wrap="nowrap">
                    <div style={{ flex: 1 }}>
                      <Bar share={share ?? 0} color="var(--app-chart)" />
                    </div>
                    <Text size="xs" c="dimmed" w={52} ta="right" className="figure">
                      {formatShare(share)}
                    </Text>
                  </Group>
                </Table.Td>
                <Table.Td ta="right">{formatCount(runs)}</Table.Td>
                <Table.Td ta="right">
                  {p50 === null ? (
                    <Badge size="xs" variant="light" color="gray">
                      last
                    </Badge>
                  ) : (
                    `${formatSeconds(p50)} / ${formatSeconds(p95)}`
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

function textOf(value: object | undefined, name: string): string | undefined {
  const found: unknown = value === undefined ? undefined : Reflect.get(value, name);
  return typeof found === "string" ? found : undefined;
}
