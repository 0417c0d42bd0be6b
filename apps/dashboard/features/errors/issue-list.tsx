import {
  Anchor,
  Badge,
  Button,
  Checkbox,
  Code,
  Group,
  Select,
  Stack,
  Table,
  Tabs,
  Text,
  TextInput,
} from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useParams } from "react-router";
import { api, dataOf, pageOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { countsOf, type Issue, type IssueStatus, levelColors } from "./issue.js";

const statuses: readonly { readonly value: IssueStatus; readonly label: string }[] = [
  { value: "unresolved", label: "Unresolved" },
  { value: "ignored", label: "Ignored" },
  { value: "resolved", label: "Resolved" },
];
const sorts = [
  { value: "last_seen_desc", label: "Last seen" },
  { value: "first_seen_desc", label: "First seen" },
  { value: "frequency_desc", label: "Events" },
] as const;
type Sort = (typeof sorts)[number]["value"];

export function IssueList() {
  const project = Number(useParams()["project"]);
  const url = useUrlState();
  const status = statuses.find(({ value }) => value === url.get("status"))?.value ?? "unresolved";
  const sort: Sort = sorts.find(({ value }) => value === url.get("sort"))?.value ?? "last_seen_desc";
  const search = url.get("query");
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const listKey = ["errors", project, "list"];
  useLive({ "errors.issues": ["errors", project] });

  const issues = useInfiniteQuery({
    queryKey: [...listKey, status, sort, search],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/projects/{id}/errors", {
          params: {
            path: { id: project },
            query: {
              status,
              sort,
              stats_period: "24h",
              limit: 50,
              ...(search === "" ? {} : { query: search }),
              ...(pageParam === "" ? {} : { cursor: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: ({ next }) => next,
  });
  const shown = issues.data?.pages.flatMap(({ items }) => items) ?? [];

  return (
    <Page title="Errors" subtitle="What went wrong, grouped by what caused it">
      <Tabs
        value={status}
        onChange={(value) => {
          setSelected(new Set());
          url.set({ status: value === "unresolved" ? null : value });
        }}
      >
        <Tabs.List>
          {statuses.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
      </Tabs>
      <Group gap="sm" wrap="wrap">
        <Search key={search} value={search} onSearch={(query) => url.set({ query })} />
        <Select
          aria-label="Sort by"
          w={150}
          data={[...sorts]}
          value={sort}
          allowDeselect={false}
          onChange={(value) => url.set({ sort: value === "last_seen_desc" ? null : value })}
        />
        {selected.size > 0 && (
          <BulkActions project={project} status={status} issues={[...selected]} onDone={() => setSelected(new Set())} />
        )}
      </Group>
      <Loaded query={issues} skeleton={10}>
        {() =>
          shown.length === 0 ? (
            <NoIssues project={project} filtered={search !== ""} status={status} />
          ) : (
            <Stack>
              <Table.ScrollContainer minWidth={760}>
                <IssueTable project={project} issues={shown} selected={selected} onSelect={setSelected} />
              </Table.ScrollContainer>
              {issues.hasNextPage && (
                <Button
                  variant="default"
                  loading={issues.isFetchingNextPage}
                  onClick={() => void issues.fetchNextPage()}
                >
                  Show more
                </Button>
              )}
            </Stack>
          )
        }
      </Loaded>
    </Page>
  );
}

function Search({ value, onSearch }: { readonly value: string; readonly onSearch: (query: string) => void }) {
  const [text, setText] = useState(value);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onSearch(text.trim());
  };
  return (
    <form onSubmit={submit} style={{ flex: "1 1 320px" }}>
      <TextInput
        aria-label="Search"
        placeholder="Search: words, level:error, release:1.4.2, user.email:…"
        leftSection={<IconSearch size={16} />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
    </form>
  );
}

function IssueTable({
  project,
  issues,
  selected,
  onSelect,
}: {
  readonly project: number;
  readonly issues: readonly Issue[];
  readonly selected: ReadonlySet<number>;
  readonly onSelect: (selected: ReadonlySet<number>) => void;
}) {
  const toggle = (ids: readonly number[], on: boolean): void => {
    const next = new Set(selected);
    for (const id of ids) {
      if (on) next.add(id);
      else next.delete(id);
    }
    onSelect(next);
  };
  const all = issues.map(({ fingerprint }) => fingerprint);
  return (
    <Table verticalSpacing="sm" highlightOnHover>
      <Table.Thead>
        <Table.Tr>
          <Table.Th w={36}>
            <Checkbox
              aria-label="Select all"
              checked={selected.size > 0 && all.every((id) => selected.has(id))}
              indeterminate={selected.size > 0 && !all.every((id) => selected.has(id))}
              onChange={(event) => toggle(all, event.currentTarget.checked)}
            />
          </Table.Th>
          <Table.Th>Issue</Table.Th>
          <Table.Th w={120}>24 hours</Table.Th>
          <Table.Th w={80} ta="right">
            Events
          </Table.Th>
          <Table.Th w={80} ta="right">
            Users
          </Table.Th>
          <Table.Th w={120}>Last seen</Table.Th>
          <Table.Th w={120}>First seen</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {issues.map((issue) => {
          const counts = countsOf(issue);
          return (
            <Table.Tr key={issue.fingerprint}>
              <Table.Td>
                <Checkbox
                  aria-label={`Select ${issue.short_id ?? issue.fingerprint}`}
                  checked={selected.has(issue.fingerprint)}
                  onChange={(event) => toggle([issue.fingerprint], event.currentTarget.checked)}
                />
              </Table.Td>
              <Table.Td>
                <Group gap={8} wrap="nowrap" align="baseline">
                  <Badge size="xs" variant="light" color={levelColors[issue.level ?? "error"] ?? "gray"}>
                    {issue.level}
                  </Badge>
                  <Anchor
                    component={Link}
                    to={`/projects/${project}/errors/${issue.fingerprint}`}
                    fw={600}
                    size="sm"
                    lineClamp={1}
                    dir="auto"
                  >
                    {issue.name}
                  </Anchor>
                  <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
                    {issue.short_id}
                  </Text>
                </Group>
                <Text size="sm" lineClamp={1} dir="auto">
                  {issue.description}
                </Text>
                <Text size="xs" c="dimmed" lineClamp={1} dir="auto">
                  {issue.actor}
                </Text>
              </Table.Td>
              <Table.Td>
                <Sparkline
                  values={counts}
                  label={`${counts.reduce((sum, count) => sum + count, 0)} events in 24 hours, by the hour`}
                />
              </Table.Td>
              <Table.Td ta="right">{formatCount(issue.event_count)}</Table.Td>
              <Table.Td ta="right">{formatCount(issue.approximated_user_count)}</Table.Td>
              <Table.Td>
                <Ago at={issue.last_seen_at} />
              </Table.Td>
              <Table.Td>
                <Ago at={issue.first_seen_at} />
              </Table.Td>
            </Table.Tr>
          );
        })}
      </Table.Tbody>
    </Table>
  );
}

function BulkActions({
  project,
  status,
  issues,
  onDone,
}: {
  readonly project: number;
  readonly status: IssueStatus;
  readonly issues: readonly number[];
  readonly onDone: () => void;
}) {
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: async (next: IssueStatus) => {
      for (const fingerprint of issues)
        await dataOf(
          api.PUT("/api/v1/projects/{id}/errors/{fingerprint}", {
            params: { path: { id: project, fingerprint } },
            body: { status: next },
          }),
        );
    },
    onSuccess: (_, next) => {
      notifications.show({
        message: `${issues.length} ${issues.length === 1 ? "issue is" : "issues are"} ${next} now.`,
      });
      onDone();
    },
    onError: (error) =>
      notifications.show({ color: "red", title: "Not all issues were changed", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["errors", project] }),
  });
  const button = (next: IssueStatus, label: string) =>
    next !== status && (
      <Button key={next} size="xs" variant="default" loading={change.isPending} onClick={() => change.mutate(next)}>
        {label} {issues.length}
      </Button>
    );
  return (
    <Group gap="xs">
      {button("resolved", "Resolve")}
      {button("ignored", "Ignore")}
      {button("unresolved", "Reopen")}
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
  const details = useQuery({
    queryKey: ["projects", project],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}", { params: { path: { id: project } } })),
    enabled: !filtered && status === "unresolved",
  });
  if (filtered) return <Empty title="No issue matches the search">Try fewer words, or another status.</Empty>;
  if (status !== "unresolved") return <Empty title={`No issue is ${status}`} />;
  const dsn = details.data?.dsn;
  return (
    <Empty title="No errors yet">
      Any Sentry SDK can send here. In a Node program:
      {dsn !== undefined && (
        <Code block mt="sm" ta="left">
          {`import * as Sentry from "@sentry/node";\nSentry.init({ dsn: "${dsn}" });`}
        </Code>
      )}
    </Empty>
  );
}
