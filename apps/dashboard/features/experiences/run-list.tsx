import { Anchor, Badge, Group, Select, Tabs, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { useHeldRows } from "../../shared/held-rows.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { useTimeRange } from "../../shared/time-range.js";
import { useUrlState } from "../../shared/url-state.js";
import { anomalies, type Run, runPath, stateColors } from "./run.js";

const tabs = [
  { value: "finished", label: "Ended" },
  { value: "open", label: "Open" },
  { value: "stale", label: "Overdue" },
  { value: "timed_out", label: "Timed out" },
  { value: "failed", label: "Failed" },
] as const;

/** Journeys of users: those under way, and how the others ended. */
export function RunList() {
  const url = useUrlState();
  const range = useTimeRange();
  const state = tabs.find(({ value }) => value === url.get("state"))?.value ?? "finished";
  const experience = url.get("experience");
  const anomaly = anomalies.find((name) => name === url.get("anomaly")) ?? "";
  useLive({ "experience.verdicts": ["experience", "runs"], "experience.open": ["experience", "runs"] });
  const definitions = useQuery({
    queryKey: ["experience", "definitions"],
    queryFn: () => dataOf(api.GET("/api/v1/experience/definitions")),
  });
  const isUnderWay = state === "open" || state === "stale";
  const listKey = ["experience", "runs", "list", state, experience, anomaly, range.key];
  const runs = useInfiniteQuery({
    queryKey: listKey,
    initialPageParam: "",
    queryFn: async ({ pageParam }) => {
      const page = await dataOf(
        api.GET("/api/v1/experience/runs", {
          params: {
            query: {
              state,
              limit: 100,
              // What is under way is of interest however long ago it began.
              ...(isUnderWay ? {} : windowOf(range, pageParam)),
              ...(experience === "" ? {} : { experience }),
              ...(anomaly === "" ? {} : { anomaly }),
              ...(pageParam === "" ? {} : { cursor: cursorOf(pageParam) }),
            },
          },
        }),
      );
      // The API describes a run in words, since open and ended ones differ in what they have.
      return { runs: page.runs as unknown as readonly Run[], next: page.next_cursor ?? null, since: range.since() };
    },
    // A cursor holds for the very filter that it was made with.
    getNextPageParam: ({ next }, pages) => (next === null ? null : `${pages[0]?.since ?? ""} ${next}`),
    refetchInterval: 20_000,
  });
  const rows = useMemo(() => runs.data?.pages.flatMap((page) => page.runs) ?? [], [runs.data]);
  const held = useHeldRows(rows, runPath, JSON.stringify(listKey));
  return (
    <Page title="Runs" subtitle="Journeys of users: under way, and how they ended">
      <Tabs value={state} onChange={(value) => url.set({ state: value === "finished" ? null : value })}>
        <Tabs.List style={{ flexWrap: "nowrap", overflowX: "auto", overflowY: "hidden" }}>
          {tabs.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
      </Tabs>
      <Loaded query={runs} skeleton={10}>
        {() => (
          <DataTable
            label="Runs"
            rows={held.shown}
            rowKey={runPath}
            columns={columns}
            news={held}
            empty={
              <Empty title={isUnderWay ? "No journey is under way" : "No journey in this time"}>
                Services report journeys by the experience SDK; a time range further back may show more.
              </Empty>
            }
            more={
              runs.hasNextPage ? { load: () => void runs.fetchNextPage(), loading: runs.isFetchingNextPage } : undefined
            }
            toolbar={
              <>
                <Select
                  aria-label="Experience"
                  placeholder="All experiences"
                  size="xs"
                  clearable
                  searchable
                  w={260}
                  value={experience || null}
                  data={(definitions.data?.definitions ?? []).map(({ id }) => id)}
                  onChange={(value) => url.set({ experience: value })}
                />
                <Select
                  aria-label="Anomaly"
                  placeholder="Odd or not"
                  size="xs"
                  clearable
                  searchable
                  w={210}
                  value={anomaly || null}
                  data={anomalies.map((name) => ({ value: name, label: name.replaceAll("_", " ") }))}
                  onChange={(value) => url.set({ anomaly: value })}
                />
              </>
            }
          />
        )}
      </Loaded>
    </Page>
  );
}

interface Window {
  readonly since: string;
  readonly until?: string;
}

function windowOf(range: { since(): string; readonly until: string | undefined }, pageParam: string): Window {
  const since = pageParam === "" ? range.since() : (pageParam.split(" ")[0] ?? "");
  return { since, ...(range.until === undefined ? {} : { until: range.until }) };
}

function cursorOf(pageParam: string): string {
  return pageParam.split(" ")[1] ?? "";
}

const columns: readonly Column<Run>[] = [
  {
    id: "experience",
    header: "Experience",
    value: ({ covered_experience_id: id }) => id,
    cell: (run) => (
      <>
        <Anchor component={Link} to={runPath(run)} size="sm" fw={600}>
          {run.covered_experience_id}
        </Anchor>
        <Text size="xs" c="dimmed">
          {run.feature_category.replaceAll("_", " ")}
        </Text>
      </>
    ),
  },
  {
    id: "state",
    header: "State",
    width: 150,
    value: ({ state }) => state,
    cell: (run) => (
      <Group gap={4}>
        <Badge size="sm" variant="light" color={stateColors[run.state] ?? "gray"}>
          {run.state.replaceAll("_", " ")}
        </Badge>
        {run.overdue && (
          <Badge size="xs" variant="light" color="orange">
            overdue
          </Badge>
        )}
        {run.anomalies.map((anomaly) => (
          <Badge key={anomaly} size="xs" variant="outline" color="yellow">
            {anomaly.replaceAll("_", " ")}
          </Badge>
        ))}
      </Group>
    ),
  },
  {
    id: "started",
    header: "Started",
    width: 120,
    value: ({ started_at: at }) => at ?? null,
    cell: ({ started_at: at }) => <Ago at={at ?? null} />,
  },
  {
    id: "took",
    header: "Took",
    width: 90,
    align: "right",
    value: ({ elapsed_s: seconds }) => seconds ?? null,
    cell: ({ elapsed_s: seconds }) => formatSeconds(seconds),
  },
  {
    id: "checkpoints",
    header: "Checkpoints",
    width: 108,
    align: "right",
    wideOnly: true,
    value: ({ checkpoint_count: count }) => count,
    cell: ({ checkpoint_count: count }) => count,
  },
  {
    id: "correlation",
    header: "Correlation id",
    width: 250,
    wideOnly: true,
    unsorted: true,
    value: ({ correlation_id: id }) => id,
    cell: ({ correlation_id: id }) => (
      <Anchor component={Link} to={`/timeline/${id}`} size="xs" ff="monospace" title="Show the timeline">
        {id}
      </Anchor>
    ),
  },
  {
    id: "urgency",
    header: "Urgency",
    width: 110,
    hidden: true,
    value: ({ urgency }) => urgency,
    cell: ({ urgency }) => urgency.replaceAll("_", " "),
  },
  {
    id: "type",
    header: "Type",
    width: 90,
    hidden: true,
    value: ({ type }) => type,
    cell: ({ type }) => type,
  },
];
