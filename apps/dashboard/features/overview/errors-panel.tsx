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
import { errorsQuery, type TimeRange, useRangeSearch, useTimeRange } from "../../shared/time-range.js";
import { Panel, PanelFigure, PanelNote, PanelRow } from "./panel.js";
import { useProjects } from "./projects.js";

const shownRows = 5;
const pageLimit = 100;

/** What broke in any project: regressed and escalating issues first, then new ones, then those with the most events. */
export function ErrorsPanel() {
  const current = useProjectId();
  const projects = useProjects();
  const range = useTimeRange();
  const rangeSearch = useRangeSearch();
  useLive({ "errors.issues": ["errors", "overview"] });
  const ids = (projects.data ?? []).map(({ id }) => id);
  const issues = useQuery({
    queryKey: ["errors", "overview", "issues", ids, range.key],
    enabled: projects.data !== undefined,
    queryFn: async () => {
      const lists = await Promise.all(ids.map((id) => openIssues(id, range)));
      return { issues: lists.flatMap(({ issues }) => issues), areMore: lists.some(({ areMore }) => areMore) };
    },
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  const rows = (issues.data?.issues ?? []).map((issue) => ({ issue, counts: countsOf(issue.stats.frequency) }));
  const regressed = rows.filter(({ issue }) => rank(issue.substatus) === 0).length;
  const fresh = rows.filter(({ issue }) => issue.substatus === "new").length;
  const total =
    rows[0]?.counts.map((_, bucket) => rows.reduce((sum, { counts }) => sum + (counts[bucket] ?? 0), 0)) ?? [];
  const events = sumOf(total);
  // Of thousands of issues the most frequent are asked for, so there is at least what these have.
  const atLeast = issues.data?.areMore ? "+" : "";
  const said = `${formatCount(events)}${atLeast} ${events === 1 ? "event" : "events"} in ${range.within}`;
  const worst = [...rows].sort(
    (left, right) =>
      rank(left.issue.substatus) - rank(right.issue.substatus) || sumOf(right.counts) - sumOf(left.counts),
  );
  return (
    <Panel
      title="Errors"
      to={`/projects/${current}/errors${rangeSearch}`}
      icon={<IconBug size={18} stroke={1.7} aria-hidden />}
      state={
        issues.data && {
          tone: rows.length === 0 ? "good" : regressed > 0 || fresh > 0 ? "bad" : "warn",
          text:
            rows.length === 0
              ? "none open"
              : [
                  `${rows.length}${atLeast} open`,
                  ...(regressed > 0 ? [`${regressed} came back`] : []),
                  ...(fresh > 0 ? [`${fresh}${atLeast} new`] : []),
                ].join(", "),
        }
      }
      {...(issues.data
        ? {
            figure: <PanelFigure value={`${formatCount(events)}${atLeast}`} label={`events in ${range.within}`} />,
            trend: <Sparkline values={total} stretch height={36} width={240} label={said} />,
          }
        : {})}
    >
      <Loaded query={projects} skeleton={shownRows} inset>
        {() => (
          <Loaded query={issues} skeleton={shownRows} inset>
            {() =>
              rows.length === 0 ? (
                <PanelNote>No unresolved issue was seen in {range.within}.</PanelNote>
              ) : (
                worst.slice(0, shownRows).map(({ issue, counts }) => (
                  <PanelRow
                    key={issue.fingerprint}
                    left={
                      <>
                        <Group gap={6} wrap="nowrap">
                          <Anchor
                            component={Link}
                            to={`/projects/${issue.project_id}/errors/${issue.fingerprint}${rangeSearch}`}
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
                          {issue.unhandled && (
                            <Badge
                              size="xs"
                              variant="outline"
                              color="red"
                              className="wide-only"
                              style={{ flex: "none" }}
                            >
                              unhandled
                            </Badge>
                          )}
                        </Group>
                        <Text size="xs" c="dimmed" truncate dir="auto">
                          {ids.length > 1 && `${issue.short_id} · `}
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
                            label={`${sumOf(counts)} events in ${range.within}`}
                          />
                        </span>
                        <Text size="sm" ta="right" className="figure" w={46} title={`events in ${range.within}`}>
                          {formatCount(sumOf(counts))}
                        </Text>
                        <Text size="xs" w={76} ta="right" component="div">
                          <Ago at={issue.last_seen_at} size="xs" />
                        </Text>
                      </>
                    }
                  />
                ))
              )
            }
          </Loaded>
        )}
      </Loaded>
    </Panel>
  );
}

type OpenIssues = Awaited<ReturnType<typeof readIssues>>;

/** Those with the most events; where not all fit, also those that were seen last, among which is what has just begun. */
async function openIssues(
  id: number,
  range: TimeRange,
): Promise<{ readonly issues: OpenIssues; readonly areMore: boolean }> {
  const frequent = await readIssues(id, range, "frequency_desc");
  if (frequent.length < pageLimit) return { issues: frequent, areMore: false };
  const known = new Set(frequent.map(({ fingerprint }) => fingerprint));
  const latest = await readIssues(id, range, "last_seen_desc");
  return { issues: [...frequent, ...latest.filter(({ fingerprint }) => !known.has(fingerprint))], areMore: true };
}

function readIssues(id: number, range: TimeRange, sort: "frequency_desc" | "last_seen_desc") {
  const query = { status: "unresolved", limit: pageLimit, sort, ...errorsQuery(range) } as const;
  return dataOf(api.GET("/api/v1/projects/{id}/errors", { params: { path: { id }, query } }));
}

function rank(substatus: string | null | undefined): number {
  if (substatus === "regressed" || substatus === "escalating") return 0;
  return substatus === "new" ? 1 : 2;
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
