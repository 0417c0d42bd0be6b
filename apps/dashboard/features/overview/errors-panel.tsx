import { Anchor, Badge, Group, Text } from "@mantine/core";
import { IconBug } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount } from "../../shared/numbers.js";
import { useProjectId } from "../../shared/project.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { statsPeriod, useRangeSearch, useTimeRange } from "../../shared/time-range.js";
import { Panel, PanelFigure, PanelNote, PanelRow } from "./panel.js";

const shownRows = 5;

/** What broke: regressed and new issues first, then those with the most events. */
export function ErrorsPanel() {
  const project = useProjectId();
  const period = statsPeriod(useTimeRange());
  const range = useRangeSearch();
  useLive({ "errors.issues": ["errors", project] });
  const issues = useQuery({
    queryKey: ["errors", project, "overview", period],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors", {
          params: {
            path: { id: project },
            query: {
              status: "unresolved",
              sort: "last_seen_desc",
              limit: 100,
              stats_period: period,
              query_period: period,
            },
          },
        }),
      ),
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  const rows = (issues.data ?? []).map((issue) => ({ issue, counts: countsOf(issue.stats.frequency) }));
  const regressed = rows.filter(({ issue }) => issue.substatus === "regressed").length;
  const fresh = rows.filter(({ issue }) => issue.substatus === "new").length;
  const total =
    rows[0]?.counts.map((_, bucket) => rows.reduce((sum, { counts }) => sum + (counts[bucket] ?? 0), 0)) ?? [];
  const events = total.reduce((sum, count) => sum + count, 0);
  const worst = [...rows].sort(
    (left, right) =>
      rank(left.issue.substatus) - rank(right.issue.substatus) || sumOf(right.counts) - sumOf(left.counts),
  );
  return (
    <Panel
      title="Errors"
      to={`/projects/${project}/errors${range}`}
      icon={<IconBug size={18} stroke={1.7} aria-hidden />}
      state={
        issues.data && {
          tone: rows.length === 0 ? "good" : "bad",
          text:
            rows.length === 0
              ? "none open"
              : [
                  `${rows.length === 100 ? "100+" : rows.length} open`,
                  ...(regressed > 0 ? [`${regressed} regressed`] : []),
                  ...(fresh > 0 ? [`${fresh} new`] : []),
                ].join(", "),
        }
      }
      {...(events > 0
        ? {
            figure: <PanelFigure value={formatCount(events)} label={`events in ${period}`} />,
            trend: <Sparkline values={total} stretch height={36} width={240} label={`${events} events in ${period}`} />,
          }
        : {})}
    >
      <Loaded query={issues} skeleton={shownRows} inset>
        {() =>
          rows.length === 0 ? (
            <PanelNote>No unresolved issue in this project was seen in this time.</PanelNote>
          ) : (
            worst.slice(0, shownRows).map(({ issue, counts }) => (
              <PanelRow
                key={issue.fingerprint}
                left={
                  <>
                    <Group gap={6} wrap="nowrap">
                      <Anchor
                        component={Link}
                        to={`/projects/${project}/errors/${issue.fingerprint}`}
                        size="sm"
                        fw={600}
                        truncate
                        dir="auto"
                      >
                        {issue.name}
                      </Anchor>
                      {issue.substatus && issue.substatus !== "ongoing" && (
                        <Badge
                          size="xs"
                          variant="light"
                          color={issue.substatus === "new" ? "indigo" : "red"}
                          style={{ flex: "none" }}
                        >
                          {issue.substatus}
                        </Badge>
                      )}
                    </Group>
                    <Text size="xs" c="dimmed" truncate dir="auto">
                      {issue.description}
                    </Text>
                  </>
                }
                right={
                  <>
                    <span className="wide-only">
                      <Sparkline
                        values={counts}
                        width={72}
                        height={20}
                        color="var(--app-quiet-mark)"
                        label={`${sumOf(counts)} events in ${period}`}
                      />
                    </span>
                    <Text size="sm" ta="right" className="figure" w={46} title={`${sumOf(counts)} events in ${period}`}>
                      {formatCount(sumOf(counts))}
                    </Text>
                    <Text size="xs" w={72} ta="right" component="div">
                      <Ago at={issue.last_seen_at} size="xs" />
                    </Text>
                  </>
                }
              />
            ))
          )
        }
      </Loaded>
      <Intake project={project} />
    </Panel>
  );
}

/** What became of everything that was received; quiet, unless something was lost. */
function Intake({ project }: { readonly project: number }) {
  const range = useTimeRange();
  const search = useRangeSearch();
  const ledger = useQuery({
    queryKey: ["errors", project, "overview", "ledger", range.key],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/ledger", {
          params: {
            path: { id: project },
            // Only the sums are looked at, and days reach further back.
            query: { from: range.since(), interval: "1d", ...(range.until === undefined ? {} : { to: range.until }) },
          },
        }),
      ),
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  const { data } = ledger;
  if (data === undefined)
    return <PanelNote>{ledger.isError ? "What was received could not be read." : "Received …"}</PanelNote>;
  const quantityOf = (outcome: string): number => data.outcomes[outcome]?.quantity ?? 0;
  const dropped = droppedOutcomes.reduce((sum, outcome) => sum + quantityOf(outcome), 0);
  return (
    <PanelNote>
      <Anchor component={Link} to={`/projects/${project}/ledger${search}`} size="sm" c="inherit" underline="always">
        {formatCount(data.received)} received
      </Anchor>
      {`, ${formatCount(quantityOf("stored"))} stored, ${formatCount(quantityOf("rate_limited"))} limited, `}
      <Text span size="sm" {...(quantityOf("dead_lettered") > 0 ? { c: "var(--app-bad)" } : {})}>
        {formatCount(dropped)} dropped
      </Text>
    </PanelNote>
  );
}

/** Every way to end except to be stored or to be over a limit. */
const droppedOutcomes = ["sampled", "duplicate", "not_stored", "filtered", "invalid", "discarded", "dead_lettered"];

function rank(substatus: string | null | undefined): number {
  return substatus === "regressed" || substatus === "escalating" ? 0 : 1;
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function countsOf(frequency: Readonly<Record<string, unknown>>): readonly number[] {
  const [series] = Object.values(frequency);
  if (!Array.isArray(series)) return [];
  const counts = series.map((pair: unknown) => (Array.isArray(pair) ? Number(pair[1]) || 0 : 0));
  const perBar = Math.ceil(counts.length / 48);
  return Array.from({ length: Math.ceil(counts.length / perBar) }, (_, bar) =>
    sumOf(counts.slice(bar * perBar, (bar + 1) * perBar)),
  );
}
