import {
  Anchor,
  Badge,
  Breadcrumbs,
  Button,
  Code,
  Grid,
  Group,
  Paper,
  Stack,
  Table,
  Tabs,
  Text,
  TextInput,
} from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { Copy } from "../../shared/copy.js";
import { formatCount } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { Activity } from "./activity.js";
import { asText, type Breadcrumb, breadcrumbsOf, type EventPayload, pairsOf, readPayload } from "./event-payload.js";
import { Grouping } from "./grouping.js";
import { countsOf, type Issue, type IssueStatus, levelColors } from "./issue.js";
import { StackTrace } from "./stack-trace.js";
import { Tags } from "./tags.js";

export function IssuePage() {
  const { project: projectText, issue: issueText } = useParams();
  const path = { id: Number(projectText), fingerprint: Number(issueText) };
  useLive({ "errors.issues": ["errors", path.id] });
  const issue = useQuery({
    queryKey: ["errors", path.id, "issue", path.fingerprint],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/{fingerprint}", { params: { path, query: { stats_period: "24h" } } }),
      ),
  });
  return (
    <Stack gap="xs">
      <Breadcrumbs>
        <Anchor component={Link} to={`/projects/${path.id}/errors`} size="sm">
          Errors
        </Anchor>
        <Text size="sm">{issue.data?.short_id ?? issueText}</Text>
      </Breadcrumbs>
      <Loaded query={issue}>{(data) => <IssueView issue={data} path={path} />}</Loaded>
    </Stack>
  );
}

interface IssuePath {
  readonly id: number;
  readonly fingerprint: number;
}

function IssueView({ issue, path }: { readonly issue: Issue; readonly path: IssuePath }) {
  const counts = countsOf(issue);
  return (
    <Page
      title={issue.name}
      subtitle={
        <Stack gap={4}>
          <Text size="sm" dir="auto" lineClamp={3} style={{ overflowWrap: "anywhere" }}>
            {issue.description}
          </Text>
          <Group gap="xs">
            <Badge size="sm" variant="light" color={levelColors[issue.level ?? "error"] ?? "gray"}>
              {issue.level}
            </Badge>
            <Badge size="sm" variant="outline" color={issue.status === "unresolved" ? "orange" : "gray"}>
              {issue.status}
            </Badge>
            <Text size="xs" c="dimmed">
              {issue.actor}
            </Text>
          </Group>
        </Stack>
      }
      actions={<StatusActions issue={issue} path={path} />}
    >
      <Grid gap="md">
        <Grid.Col span={{ base: 12, md: 9 }}>
          <Events path={path} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 3 }}>
          <Stack gap="sm">
            <Paper withBorder p="sm">
              <Fact label="Events">{formatCount(issue.event_count)}</Fact>
              <Fact label="Users">{formatCount(issue.approximated_user_count)}</Fact>
              <Fact label="Last seen">
                <Ago at={issue.last_seen_at} />
              </Fact>
              <Fact label="First seen">
                <Ago at={issue.first_seen_at} />
              </Fact>
              <Fact label="First release">{issue.first_release ?? "–"}</Fact>
              <Fact label="Last release">{issue.last_release ?? "–"}</Fact>
            </Paper>
            <Paper withBorder p="sm">
              <Text size="xs" c="dimmed" mb={4}>
                Last 24 hours
              </Text>
              <Sparkline
                values={counts}
                width={220}
                height={48}
                label={`${counts.reduce((sum, count) => sum + count, 0)} events in 24 hours, by the hour`}
              />
            </Paper>
            <Tags path={path} />
            <Activity path={path} />
          </Stack>
        </Grid.Col>
      </Grid>
    </Page>
  );
}

function Fact({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <Group justify="space-between" gap="xs" wrap="nowrap" py={2}>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text size="sm" component="div" ta="right" style={{ overflowWrap: "anywhere" }}>
        {children}
      </Text>
    </Group>
  );
}

function StatusActions({ issue, path }: { readonly issue: Issue; readonly path: IssuePath }) {
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (status: IssueStatus) =>
      dataOf(api.PUT("/api/v1/projects/{id}/errors/{fingerprint}", { params: { path }, body: { status } })),
    onSuccess: (_, status) => notifications.show({ message: `The issue is ${status} now.` }),
    onError: (error) =>
      notifications.show({ color: "red", title: "The issue was not changed", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["errors", path.id] }),
  });
  const isOpen = issue.status === "unresolved";
  useHotkeys([
    ["e", () => change.mutate(isOpen ? "resolved" : "unresolved")],
    ["i", () => change.mutate("ignored")],
  ]);
  return isOpen ? (
    <>
      <Button size="xs" loading={change.isPending} onClick={() => change.mutate("resolved")} title="Key: e">
        Resolve
      </Button>
      <Button size="xs" variant="default" onClick={() => change.mutate("ignored")} title="Key: i">
        Ignore
      </Button>
    </>
  ) : (
    <Button
      size="xs"
      variant="default"
      loading={change.isPending}
      onClick={() => change.mutate("unresolved")}
      title="Key: e"
    >
      Reopen
    </Button>
  );
}

/** The events of an issue, one at a time, the newest first. */
function Events({ path }: { readonly path: IssuePath }) {
  const url = useUrlState();
  const wanted = url.get("event");
  const key = ["errors", path.id, "issue", path.fingerprint, "events"];
  const event = useQuery({
    queryKey: [...key, wanted],
    queryFn: async () => {
      const id = wanted === "" ? await newestEvent(path) : wanted;
      if (id === undefined) return null;
      return dataOf(
        api.GET("/api/v1/projects/{id}/errors/{fingerprint}/events/{event}", {
          params: { path: { ...path, event: id } },
        }),
      );
    },
    placeholderData: (previous) => previous,
  });
  return (
    <Loaded query={event} skeleton={12}>
      {(current) =>
        current === null ? (
          <Empty title="The events of this issue are gone">They are kept for the project's retention time.</Empty>
        ) : (
          <Stack gap="sm">
            <Group justify="space-between">
              <Group gap="xs">
                <Ago at={current.occurred_at} />
                <Text size="xs" c="dimmed">
                  event <Code>{current.event_id.slice(0, 12)}</Code>
                </Text>
                <Copy value={current.event_id} label="Copy the event's id" />
              </Group>
              <Button.Group>
                <Button
                  size="compact-sm"
                  variant="default"
                  disabled={!current.next}
                  onClick={() => url.set({ event: current.next ?? null }, { replace: true })}
                >
                  Newer
                </Button>
                <Button
                  size="compact-sm"
                  variant="default"
                  disabled={!current.previous}
                  onClick={() => url.set({ event: current.previous ?? null }, { replace: true })}
                >
                  Older
                </Button>
              </Button.Group>
            </Group>
            <EventView
              key={current.event_id}
              path={{ id: path.id, event: current.event_id }}
              payload={readPayload(current.payload)}
              raw={current.payload}
            />
          </Stack>
        )
      }
    </Loaded>
  );
}

async function newestEvent(path: IssuePath): Promise<string | undefined> {
  const [newest] = await dataOf(
    api.GET("/api/v1/projects/{id}/errors/{fingerprint}/events", {
      params: { path, query: { sort: "occurred_at_desc", limit: 1 } },
    }),
  );
  return newest?.event_id;
}

interface EventPath {
  /** Of the project. */
  readonly id: number;
  readonly event: string;
}

function EventView({
  path,
  payload,
  raw,
}: {
  readonly path: EventPath;
  readonly payload: EventPayload;
  readonly raw: string;
}) {
  const exceptions = payload.exception?.values ?? [];
  const breadcrumbs = breadcrumbsOf(payload);
  const tags = pairsOf(payload.tags);
  const contexts = Object.entries(payload.contexts ?? {});
  const correlationId = tags.find(([name]) => name === "correlation_id")?.[1];
  return (
    <Tabs defaultValue="trace" keepMounted={false}>
      {correlationId && (
        <Anchor
          component={Link}
          to={`/timeline/${encodeURIComponent(correlationId)}`}
          size="sm"
          mb="xs"
          display="block"
        >
          What else happened in this journey
        </Anchor>
      )}
      <Tabs.List>
        <Tabs.Tab value="trace">Stack trace</Tabs.Tab>
        <Tabs.Tab value="breadcrumbs">Breadcrumbs {breadcrumbs.length > 0 && `(${breadcrumbs.length})`}</Tabs.Tab>
        <Tabs.Tab value="details">Details</Tabs.Tab>
        <Tabs.Tab value="grouping">Grouping</Tabs.Tab>
        <Tabs.Tab value="raw">Raw</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="trace" pt="md">
        {exceptions.length > 0 ? (
          <StackTrace exceptions={exceptions} />
        ) : (
          <Paper withBorder p="sm">
            <Text dir="auto" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
              {payload.logentry?.formatted ?? payload.logentry?.message ?? "The event has no stack trace."}
            </Text>
          </Paper>
        )}
      </Tabs.Panel>
      <Tabs.Panel value="breadcrumbs" pt="md">
        <BreadcrumbList breadcrumbs={breadcrumbs} />
      </Tabs.Panel>
      <Tabs.Panel value="details" pt="md">
        <Stack>
          <Facts title="Tags" pairs={tags} />
          <Facts title="User" pairs={pairsOf(payload.user)} />
          <Facts
            title="Request"
            pairs={[
              ...(payload.request?.url
                ? [["URL", `${payload.request.method ?? ""} ${payload.request.url}`] as const]
                : []),
              ...pairsOf(payload.request?.headers),
            ]}
          />
          {contexts.map(([name, values]) => (
            <Facts key={name} title={name} pairs={pairsOf(values)} />
          ))}
          <Facts title="Extra" pairs={pairsOf(payload.extra)} />
          <Facts title="SDK" pairs={pairsOf({ name: payload.sdk?.name ?? "", version: payload.sdk?.version ?? "" })} />
          <Facts title="Modules" pairs={pairsOf(payload.modules)} />
        </Stack>
      </Tabs.Panel>
      <Tabs.Panel value="grouping" pt="md">
        <Grouping path={path} />
      </Tabs.Panel>
      <Tabs.Panel value="raw" pt="md">
        <Group justify="flex-end" mb="xs">
          <Copy value={raw} label="Copy the event" />
        </Group>
        <Code block style={{ maxHeight: 600, overflow: "auto" }} tabIndex={0}>
          {JSON.stringify(payload, null, 2)}
        </Code>
      </Tabs.Panel>
    </Tabs>
  );
}

function BreadcrumbList({ breadcrumbs }: { readonly breadcrumbs: readonly Breadcrumb[] }) {
  const [filter, setFilter] = useState("");
  if (breadcrumbs.length === 0) return <Empty title="The event has no breadcrumbs" />;
  const shown = breadcrumbs.filter(({ category, message, level }) =>
    `${category ?? ""} ${message ?? ""} ${level ?? ""}`.toLowerCase().includes(filter.toLowerCase()),
  );
  return (
    <Stack gap="xs">
      <TextInput
        aria-label="Filter breadcrumbs"
        placeholder="Filter"
        value={filter}
        onChange={(event) => setFilter(event.currentTarget.value)}
      />
      <Table fz="sm">
        <Table.Tbody>
          {[...shown].reverse().map((breadcrumb, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: breadcrumbs have no ids.
            <Table.Tr key={index}>
              <Table.Td w={110}>
                <Ago at={breadcrumb.timestamp ?? null} size="xs" />
              </Table.Td>
              <Table.Td w={140}>
                <Code>{breadcrumb.category ?? breadcrumb.type ?? "default"}</Code>
              </Table.Td>
              <Table.Td dir="auto">
                {breadcrumb.message}
                {breadcrumb.data && <Code block>{asText(breadcrumb.data)}</Code>}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Stack>
  );
}

function Facts({ title, pairs }: { readonly title: string; readonly pairs: readonly (readonly [string, string])[] }) {
  const filled = pairs.filter(([, value]) => value !== "");
  if (filled.length === 0) return null;
  return (
    <div>
      <Text fw={600} size="sm" tt="capitalize" mb={4}>
        {title}
      </Text>
      <Table fz="sm" withTableBorder verticalSpacing={4}>
        <Table.Tbody>
          {filled.map(([name, value], index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a header may come twice.
            <Table.Tr key={index}>
              <Table.Td w="30%" c="dimmed">
                {name}
              </Table.Td>
              <Table.Td dir="auto" style={{ whiteSpace: "pre-wrap" }}>
                {value}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
