import { Anchor, Avatar, Badge, Button, Group, Select, Stack, Tabs, Text, Tooltip } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link, useParams } from "react-router";
import { api, dataOf, pageOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { useHeldRows } from "../../shared/held-rows.js";
import { formatCount } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { errorsQuery, type TimeRange, useRangeSearch, useTimeRange } from "../../shared/time-range.js";
import { useUrlState } from "../../shared/url-state.js";
import { BulkActions } from "./bulk-actions.js";
import { countsOf, type Issue, type IssueStatus, levelColors, placesOf } from "./issue.js";
import { useOwnChanges } from "./own-changes.js";
import { SearchBox } from "./search-box.js";

interface View {
  readonly value: string;
  readonly label: string;
  readonly status: IssueStatus;
  /** Added to what is searched for. */
  readonly term?: string;
}

const views: readonly View[] = [
  { value: "unresolved", label: "Unresolved", status: "unresolved" },
  { value: "regressed", label: "Regressed", status: "unresolved", term: "is:regressed" },
  { value: "ignored", label: "Ignored", status: "ignored" },
  { value: "resolved", label: "Resolved", status: "resolved" },
];
const [firstView] = views;
const sorts = ["last_seen_desc", "first_seen_desc", "frequency_desc"] as const;
type Sort = (typeof sorts)[number];

const sortNames: Readonly<Record<Sort, string>> = {
  last_seen_desc: "Last seen",
  first_seen_desc: "Newest",
  frequency_desc: "Most events",
};

/** What went wrong, grouped by what caused it. */
export function IssueList() {
  const project = Number(useParams()["project"]);
  const url = useUrlState();
  const range = useTimeRange();
  const view = views.find(({ value }) => value === url.get("status")) ?? firstView;
  const sort: Sort = sorts.find((value) => value === url.get("sort")) ?? "last_seen_desc";
  const search = url.get("query");
  const query = [view?.term, search].filter(Boolean).join(" ");
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  useLive({ "errors.issues": ["errors", project] });

  const status = view?.status ?? "unresolved";
  const listKey = ["errors", project, "list", status, sort, query, range.key];
  const issues = useInfiniteQuery({
    queryKey: listKey,
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/projects/{id}/errors", {
          params: {
            path: { id: project },
            query: {
              status,
              sort,
              ...errorsQuery(range),
              limit: 100,
              ...(query === "" ? {} : { query }),
              ...(pageParam === "" ? {} : { cursor: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: ({ next }) => next,
    refetchInterval: 60_000,
  });
  const ownChanges = useOwnChanges(project);
  const rows = useMemo(() => issues.data?.pages.flatMap(({ items }) => items) ?? [], [issues.data]);
  const held = useHeldRows(rows, keyOfIssue, JSON.stringify([...listKey, ownChanges]));
  const columns = useMemo(() => columnsFor(project, range), [project, range]);
  const chosen = held.shown.filter((issue) => selected.has(keyOfIssue(issue)));
  const known = [...new Set(rows.flatMap(({ assigned_to: who }) => who ?? []))].sort();

  return (
    <Page title="Issues" subtitle="What went wrong, grouped by what caused it">
      <Tabs
        value={view?.value ?? "unresolved"}
        onChange={(value) => {
          setSelected(new Set());
          url.set({ status: value === "unresolved" ? null : value });
        }}
      >
        <Tabs.List style={{ flexWrap: "nowrap", overflowX: "auto", overflowY: "hidden" }}>
          {views.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
      </Tabs>
      <SearchBox key={search} project={project} value={search} onSearch={(text) => url.set({ query: text })} />
      <Loaded query={issues} skeleton={10}>
        {() =>
          rows.length === 0 ? (
            <NoIssues project={project} filtered={query !== ""} status={status} />
          ) : (
            <DataTable
              label="Issues"
              rows={held.shown}
              rowKey={keyOfIssue}
              columns={columns}
              serverOrder={{
                value: sort,
                onChange: (value) => url.set({ sort: value === "last_seen_desc" ? null : value }),
              }}
              selection={{ selected, onChange: setSelected }}
              news={held}
              more={
                issues.hasNextPage
                  ? { load: () => void issues.fetchNextPage(), loading: issues.isFetchingNextPage }
                  : undefined
              }
              toolbar={
                chosen.length > 0 ? (
                  <BulkActions
                    project={project}
                    status={status}
                    issues={chosen}
                    known={known}
                    onDone={() => setSelected(new Set())}
                  />
                ) : (
                  <Group gap="sm" style={{ flex: 1 }}>
                    <Select
                      aria-label="Order"
                      size="xs"
                      w={136}
                      allowDeselect={false}
                      checkIconPosition="right"
                      data={sorts.map((value) => ({ value, label: sortNames[value] }))}
                      value={sort}
                      onChange={(value) => url.set({ order: null, sort: value === "last_seen_desc" ? null : value })}
                    />
                    <Text size="sm" c="dimmed" role="status">
                      {held.shown.length === 1 ? "1 issue" : `${formatCount(held.shown.length)} issues`}
                      {issues.hasNextPage ? " and more" : ""}
                    </Text>
                  </Group>
                )
              }
            />
          )
        }
      </Loaded>
    </Page>
  );
}

const keyOfIssue = ({ fingerprint }: Issue): string => String(fingerprint);

function columnsFor(project: number, range: TimeRange): readonly Column<Issue>[] {
  return [
    {
      id: "issue",
      header: "Issue",
      unsorted: true,
      value: ({ title, name }) => title ?? name,
      cell: (issue) => <Summary project={project} issue={issue} />,
    },
    {
      id: "graph",
      header: range.key.includes("/") ? "In this time" : range.label,
      width: 140,
      wideOnly: true,
      unsorted: true,
      value: (issue) => countsOf(issue).reduce((sum, count) => sum + count, 0),
      cell: (issue) => {
        const counts = countsOf(issue);
        const total = counts.reduce((sum, count) => sum + count, 0);
        return <Sparkline values={counts} width={108} height={28} label={`${total} events in ${range.within}`} />;
      },
    },
    {
      id: "events",
      header: "Events",
      width: 84,
      align: "right",
      serverSort: "frequency_desc",
      value: ({ event_count: count }) => count,
      cell: ({ event_count: count }) => formatCount(count),
    },
    {
      id: "users",
      header: "Users",
      width: 76,
      align: "right",
      wideOnly: true,
      value: ({ approximated_user_count: count }) => count,
      cell: ({ approximated_user_count: count }) => formatCount(count),
    },
    {
      id: "last_seen",
      header: "Last seen",
      width: 112,
      serverSort: "last_seen_desc",
      wideOnly: true,
      value: ({ last_seen_at: at }) => at,
      cell: ({ last_seen_at: at }) => <Ago at={at} />,
    },
    {
      id: "first_seen",
      header: "First seen",
      width: 112,
      wideOnly: true,
      serverSort: "first_seen_desc",
      value: ({ first_seen_at: at }) => at,
      cell: ({ first_seen_at: at }) => <Ago at={at} />,
    },
    {
      id: "assignee",
      header: "Assignee",
      width: 88,
      wideOnly: true,
      value: ({ assigned_to: who }) => who ?? null,
      cell: ({ assigned_to: who }) =>
        who ? (
          <Tooltip label={who}>
            <Avatar size={24} radius="xl" name={who} color="initials" tabIndex={0} />
          </Tooltip>
        ) : null,
    },
    {
      id: "file",
      header: "File",
      width: 200,
      hidden: true,
      value: ({ file }) => file ?? null,
      cell: ({ file }) => file,
    },
    {
      id: "function",
      header: "Function",
      width: 160,
      hidden: true,
      value: ({ function: name }) => name ?? null,
      cell: ({ function: name }) => name,
    },
    {
      id: "culprit",
      header: "Culprit",
      width: 200,
      hidden: true,
      value: ({ actor }) => actor,
      cell: ({ actor }) => actor,
    },
    {
      id: "level",
      header: "Level",
      width: 90,
      hidden: true,
      value: ({ level }) => level ?? null,
      cell: ({ level }) => level,
    },
    {
      id: "short_id",
      header: "Short id",
      width: 110,
      hidden: true,
      value: ({ short_id: id }) => id ?? null,
      cell: ({ short_id: id }) => id,
    },
    {
      id: "status",
      header: "Status",
      width: 110,
      hidden: true,
      value: ({ status }) => status,
      cell: ({ status }) => status,
    },
    {
      id: "release",
      header: "Last release",
      width: 140,
      hidden: true,
      value: ({ last_release: release }) => release ?? null,
      cell: ({ last_release: release }) => release,
    },
  ];
}

const substatusColors: Readonly<Record<string, string>> = { new: "indigo", regressed: "red", escalating: "orange" };

function Summary({ project, issue }: { readonly project: number; readonly issue: Issue }) {
  const { substatus, level = "error" } = issue;
  const range = useRangeSearch();
  return (
    <Group gap={10} wrap="nowrap" align="stretch">
      <Tooltip label={level}>
        <div
          role="img"
          aria-label={`Level ${level}`}
          style={{
            width: 3,
            flex: "none",
            borderRadius: 2,
            background: `var(--mantine-color-${levelColors[level] ?? "gray"}-6)`,
          }}
        />
      </Tooltip>
      <Stack gap={1} style={{ minWidth: 0 }}>
        <Group gap={8} wrap="nowrap">
          <Anchor
            component={Link}
            to={`/projects/${project}/errors/${issue.fingerprint}${range}`}
            fw={600}
            size="sm"
            truncate
            dir="auto"
          >
            {issue.name}
          </Anchor>
          {substatus && substatus !== "ongoing" && (
            <Badge size="xs" variant="light" color={substatusColors[substatus] ?? "gray"} style={{ flex: "none" }}>
              {substatus}
            </Badge>
          )}
          {issue.unhandled && (
            <Badge size="xs" variant="outline" color="red" style={{ flex: "none" }}>
              unhandled
            </Badge>
          )}
        </Group>
        <Text size="sm" truncate dir="auto">
          {issue.description}
        </Text>
        <Group gap={8} wrap="nowrap">
          <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
            {issue.short_id}
          </Text>
          {placesOf(issue).map((place) => (
            <Text key={place} size="xs" c="dimmed" ff="monospace" truncate dir="auto">
              {place}
            </Text>
          ))}
        </Group>
      </Stack>
    </Group>
  );
}

function NoIssues({
  project,
  filtered,
  status,
}: {
  readonly project: number;
  readonly filtered: boolean;
  readonly status: IssueStatus;
}) {
  const url = useUrlState();
  const range = useTimeRange();
  const details = useQuery({
    queryKey: ["projects", project],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}", { params: { path: { id: project } } })),
  });
  const ever = useQuery({
    queryKey: ["errors", project, "ever"],
    queryFn: () =>
      dataOf(api.GET("/api/v1/projects/{id}/errors", { params: { path: { id: project }, query: { limit: 1 } } })),
    enabled: !filtered && status === "unresolved",
  });
  const wider = range.key !== "90d" && (
    <Button size="xs" variant="default" mt="sm" onClick={() => url.set({ range: "90d", from: null, to: null })}>
      Look at the last 90 days
    </Button>
  );
  if (filtered)
    return (
      <Empty title={`No issue in ${range.within} matches`}>
        Try fewer words, or another tab.
        <div>{wider}</div>
      </Empty>
    );
  if (status !== "unresolved" || (ever.data?.length ?? 0) > 0)
    return (
      <Empty title={`No ${status} issue in ${range.within}`}>
        <div>{wider}</div>
      </Empty>
    );
  const dsn = details.data?.dsn;
  return (
    <Empty
      title="No errors yet"
      snippet={dsn && `import * as Sentry from "@sentry/node";\n\nSentry.init({ dsn: "${dsn}" });`}
    >
      Any Sentry SDK can send here. In a Node program this is enough; other languages stand in the{" "}
      <Anchor component={Link} to={`/projects/${project}/settings`} size="sm" underline="always">
        project's settings
      </Anchor>
      .
    </Empty>
  );
}
