import { Anchor, Badge, Button, Group, Select, Stack, Table, Tabs, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { type Run, runPath, stateColors } from "./run.js";

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
  const state = tabs.find(({ value }) => value === url.get("state"))?.value ?? "finished";
  const experience = url.get("experience");
  useLive({ "experience.verdicts": ["experience", "runs"], "experience.open": ["experience", "runs"] });
  const definitions = useQuery({
    queryKey: ["experience", "definitions"],
    queryFn: () => dataOf(api.GET("/api/v1/experience/definitions")),
  });
  const runs = useInfiniteQuery({
    queryKey: ["experience", "runs", state, experience],
    initialPageParam: "",
    queryFn: async ({ pageParam }) => {
      const page = await dataOf(
        api.GET("/api/v1/experience/runs", {
          params: {
            query: {
              state,
              limit: 50,
              ...(experience === "" ? {} : { experience }),
              ...(pageParam === "" ? {} : { cursor: pageParam }),
            },
          },
        }),
      );
      // The API describes a run in words, since open and ended ones differ in what they have.
      return { runs: page.runs as unknown as readonly Run[], next: page.next_cursor ?? null };
    },
    getNextPageParam: ({ next }) => next,
    refetchInterval: 15_000,
  });
  const rows = runs.data?.pages.flatMap((page) => page.runs) ?? [];
  return (
    <Page title="Experiences" subtitle="Journeys of users: under way, and how they ended">
      <Tabs value={state} onChange={(value) => url.set({ state: value === "finished" ? null : value })}>
        <Tabs.List>
          {tabs.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
      </Tabs>
      <Select
        aria-label="Experience"
        placeholder="All experiences"
        clearable
        searchable
        maw={360}
        value={experience || null}
        data={(definitions.data?.definitions ?? []).map(({ id }) => id)}
        onChange={(value) => url.set({ experience: value })}
      />
      <Loaded query={runs} skeleton={10}>
        {() =>
          rows.length === 0 ? (
            <Empty title="No journeys here">
              Definitions of experiences are files in `config/covered_experiences`; services report them by the
              experience SDK.
            </Empty>
          ) : (
            <Stack>
              <Table.ScrollContainer minWidth={760}>
                <Table verticalSpacing="sm" highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>Experience</Table.Th>
                      <Table.Th>State</Table.Th>
                      <Table.Th>Started</Table.Th>
                      <Table.Th ta="right">Took</Table.Th>
                      <Table.Th ta="right">Checkpoints</Table.Th>
                      <Table.Th>Correlation id</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {rows.map((run) => (
                      <Table.Tr key={runPath(run)}>
                        <Table.Td>
                          <Anchor component={Link} to={runPath(run)} size="sm" fw={600}>
                            {run.covered_experience_id}
                          </Anchor>
                          <Text size="xs" c="dimmed">
                            {run.feature_category} · {run.urgency}
                          </Text>
                        </Table.Td>
                        <Table.Td>
                          <Group gap={6}>
                            <Badge size="sm" variant="light" color={stateColors[run.state] ?? "gray"}>
                              {run.state.replaceAll("_", " ")}
                            </Badge>
                            {run.anomalies.map((anomaly) => (
                              <Badge key={anomaly} size="xs" variant="outline" color="yellow">
                                {anomaly.replaceAll("_", " ")}
                              </Badge>
                            ))}
                          </Group>
                        </Table.Td>
                        <Table.Td>
                          <Ago at={run.started_at ?? null} />
                        </Table.Td>
                        <Table.Td ta="right">{formatSeconds(run.elapsed_s)}</Table.Td>
                        <Table.Td ta="right">{run.checkpoint_count}</Table.Td>
                        <Table.Td>
                          <Anchor component={Link} to={`/timeline/${run.correlation_id}`} size="xs" ff="monospace">
                            {run.correlation_id}
                          </Anchor>
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
              {runs.hasNextPage && (
                <Button variant="default" loading={runs.isFetchingNextPage} onClick={() => void runs.fetchNextPage()}>
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
