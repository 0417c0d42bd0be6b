import { Anchor, Badge, Group, Paper, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { allows, useSession } from "../../api/session.js";
import { formatCount } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { useProjectId } from "../../shared/project.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

/** Is anything wrong? Worst first, one click to the cause. */
export function Overview() {
  const session = useSession().data;
  if (!session) return null;
  return (
    <Page title="Overview" subtitle="Is anything wrong?">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        {allows(session, "errors:read") && <ErrorsPanel />}
        {allows(session, "experience:read", "experience:admin") && <JourneysPanel />}
        {allows(session, "events:read") && <QueuesPanel />}
        {allows(session, "events:read") && <DeadLettersPanel />}
      </SimpleGrid>
    </Page>
  );
}

function Panel({
  title,
  to,
  state,
  children,
}: {
  readonly title: string;
  readonly to: string;
  readonly state?: ReactNode;
  readonly children: ReactNode;
}) {
  return (
    <Paper withBorder p="md" component="section" aria-label={title}>
      <Group justify="space-between" mb="sm">
        <Anchor component={Link} to={to} fw={650} c="inherit">
          {title}
        </Anchor>
        {state}
      </Group>
      {children}
    </Paper>
  );
}

function State({ bad, children }: { readonly bad: boolean; readonly children: ReactNode }) {
  return (
    <Badge variant="light" color={bad ? "red" : "green"}>
      {children}
    </Badge>
  );
}

const shownRows = 5;

function ErrorsPanel() {
  const project = useProjectId();
  useLive({ "errors.issues": ["errors", project] });
  const issues = useQuery({
    queryKey: ["errors", project, "overview"],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors", {
          params: { path: { id: project }, query: { status: "unresolved", sort: "last_seen_desc", limit: shownRows } },
        }),
      ),
    refetchInterval: 30_000,
  });
  return (
    <Panel
      title="Errors"
      to={`/projects/${project}/errors`}
      state={
        issues.data && (
          <State bad={issues.data.length > 0}>{issues.data.length > 0 ? "open issues" : "none open"}</State>
        )
      }
    >
      <Loaded query={issues} skeleton={shownRows}>
        {(rows) =>
          rows.length === 0 ? (
            <Text size="sm" c="dimmed">
              No unresolved issues in this project.
            </Text>
          ) : (
            <Stack gap="xs">
              {rows.map((issue) => (
                <Group key={issue.fingerprint} justify="space-between" wrap="nowrap" gap="sm">
                  <Stack gap={0} style={{ minWidth: 0 }}>
                    <Anchor
                      component={Link}
                      to={`/projects/${project}/errors/${issue.fingerprint}`}
                      size="sm"
                      fw={600}
                      lineClamp={1}
                      dir="auto"
                    >
                      {issue.name}
                    </Anchor>
                    <Text size="xs" c="dimmed" lineClamp={1} dir="auto">
                      {issue.description}
                    </Text>
                  </Stack>
                  <Stack gap={0} align="flex-end">
                    <Text size="sm">{formatCount(issue.event_count)}</Text>
                    <Ago at={issue.last_seen_at} size="xs" />
                  </Stack>
                </Group>
              ))}
            </Stack>
          )
        }
      </Loaded>
    </Panel>
  );
}

function JourneysPanel() {
  useLive({ "experience.verdicts": ["experience", "runs"] });
  const runs = useQuery({
    queryKey: ["experience", "runs", "overview"],
    queryFn: async () => {
      const { runs: rows } = await dataOf(
        api.GET("/api/v1/experience/runs", { params: { query: { state: "timed_out,failed", limit: shownRows } } }),
      );
      // The API describes a run in words, since open and ended ones differ in what they have.
      return rows as unknown as readonly BrokenRun[];
    },
    refetchInterval: 15_000,
  });
  const count = runs.data?.length ?? 0;
  return (
    <Panel
      title="Experiences"
      to="/experiences?state=timed_out"
      state={runs.data && <State bad={count > 0}>{count > 0 ? "journeys break" : "none broke"}</State>}
    >
      <Loaded query={runs} skeleton={shownRows}>
        {(rows) =>
          rows.length === 0 ? (
            <Text size="sm" c="dimmed">
              No journey has failed or timed out.
            </Text>
          ) : (
            <Stack gap="xs">
              {rows.map((run) => (
                <Group
                  key={`${run.covered_experience_id}.${run.correlation_id}.${run.run}`}
                  justify="space-between"
                  wrap="nowrap"
                >
                  <Stack gap={0} style={{ minWidth: 0 }}>
                    <Anchor component={Link} to={`/timeline/${run.correlation_id}`} size="sm" fw={600} lineClamp={1}>
                      {run.covered_experience_id}
                    </Anchor>
                    <Text size="xs" c="dimmed">
                      {run.state.replaceAll("_", " ")}
                    </Text>
                  </Stack>
                  <Ago at={run.verdict?.verdict_at ?? null} size="xs" />
                </Group>
              ))}
            </Stack>
          )
        }
      </Loaded>
    </Panel>
  );
}

interface BrokenRun {
  readonly covered_experience_id: string;
  readonly correlation_id: string;
  readonly run: string;
  readonly state: string;
  readonly verdict?: { readonly verdict_at: string };
}

function QueuesPanel() {
  useLive({ "events.queues": ["events", "queues"] });
  const queues = useQuery({
    queryKey: ["events", "queues"],
    queryFn: () => dataOf(api.GET("/api/v1/events/subscriptions", { params: { query: { limit: 100 } } })),
    refetchInterval: 10_000,
  });
  const paused = queues.data?.filter((queue) => queue.paused).length ?? 0;
  return (
    <Panel
      title="Queues"
      to="/events/queues"
      state={queues.data && <State bad={paused > 0}>{paused > 0 ? `${paused} paused` : "running"}</State>}
    >
      <Loaded query={queues} skeleton={shownRows}>
        {(rows) => (
          <Table fz="sm" withRowBorders={false} verticalSpacing={3}>
            <Table.Tbody>
              {[...rows]
                .sort((left, right) => right.depth.ready - left.depth.ready)
                .slice(0, shownRows)
                .map(({ subscriber, depth, oldest_ready_at: oldest }) => (
                  <Table.Tr key={subscriber}>
                    <Table.Td>{subscriber}</Table.Td>
                    <Table.Td ta="right">{formatCount(depth.ready)} waiting</Table.Td>
                    <Table.Td ta="right">
                      <Ago at={oldest} size="xs" />
                    </Table.Td>
                  </Table.Tr>
                ))}
            </Table.Tbody>
          </Table>
        )}
      </Loaded>
    </Panel>
  );
}

function DeadLettersPanel() {
  useLive({ "events.dead": ["events", "dead"] });
  const groups = useQuery({
    queryKey: ["events", "dead", "groups"],
    queryFn: () => dataOf(api.GET("/api/v1/events/dead/groups", { params: { query: { state: "dead", limit: 100 } } })),
    refetchInterval: 30_000,
  });
  const count = groups.data?.reduce((sum, group) => sum + group.count, 0) ?? 0;
  return (
    <Panel
      title="Dead letters"
      to="/events/dead"
      state={groups.data && <State bad={count > 0}>{count > 0 ? formatCount(count) : "none"}</State>}
    >
      <Loaded query={groups} skeleton={shownRows}>
        {(rows) =>
          rows.length === 0 ? (
            <Text size="sm" c="dimmed">
              Every delivery was handled, or still is.
            </Text>
          ) : (
            <Stack gap="xs">
              {rows.slice(0, shownRows).map((row) => (
                <Group key={row.fingerprint} justify="space-between" wrap="nowrap">
                  <Anchor component={Link} size="sm" lineClamp={1} to={`/events/dead?group=${row.fingerprint}`}>
                    {row.subscriptions.join(", ")}
                  </Anchor>
                  <Group gap="xs" wrap="nowrap">
                    <Text size="sm">{formatCount(row.count)}</Text>
                    <Ago at={row.last_dead_at} size="xs" />
                  </Group>
                </Group>
              ))}
            </Stack>
          )
        }
      </Loaded>
    </Panel>
  );
}
