import { Anchor, Badge, Group, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { allows, useSession } from "../../api/session.js";
import { Card } from "../../shared/card.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

const shownRuns = 10;

interface FailedRun {
  readonly covered_experience_id: string;
  readonly correlation_id: string;
  readonly run: string;
  readonly state: string;
  readonly started_at?: string;
  readonly verdict?: { readonly verdict_at?: string };
}

/** Somewhere to begin for those who have no id at hand: journeys that failed lately. */
export function RecentFailures() {
  const session = useSession();
  const mayRead = session.data !== null && session.data !== undefined && allows(session.data, "experience:read");
  const queryKey = ["timeline", "recent failures"];
  useLive(mayRead ? { "experience.verdicts": queryKey } : {});
  const runs = useQuery({
    queryKey,
    enabled: mayRead,
    queryFn: async (): Promise<readonly FailedRun[]> => {
      const lists = await Promise.all((["timed_out", "failed"] as const).map(readRuns));
      return lists
        .flat()
        .sort((left, right) => endOf(right).localeCompare(endOf(left)))
        .slice(0, shownRuns);
    },
    refetchInterval: 30_000,
  });
  if (!mayRead) return null;
  return (
    <Card title="Journeys that failed lately" flush>
      <Loaded query={runs} skeleton={4} inset>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title="No journey has failed">
              Every issue, run and event has a way to its timeline, too: “What else happened in this journey” and “Show
              the timeline”.
            </Empty>
          ) : (
            <Table fz="sm" verticalSpacing={6} aria-label="Journeys that failed lately">
              <Table.Tbody>
                {rows.map((run) => (
                  <Table.Tr key={`${run.covered_experience_id} ${run.correlation_id} ${run.run}`}>
                    <Table.Td>
                      <Stack gap={1}>
                        <Group gap={8}>
                          <Anchor
                            component={Link}
                            to={`/timeline/${encodeURIComponent(run.correlation_id)}`}
                            size="sm"
                            fw={600}
                          >
                            {run.covered_experience_id}
                          </Anchor>
                          <Badge size="xs" variant="light" color="red">
                            {run.state.replaceAll("_", " ")}
                          </Badge>
                        </Group>
                        <Text size="xs" c="dimmed" ff="monospace">
                          {run.correlation_id}
                        </Text>
                      </Stack>
                    </Table.Td>
                    <Table.Td ta="right" w={110}>
                      <Ago at={endOf(run) || null} />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )
        }
      </Loaded>
    </Card>
  );
}

async function readRuns(state: "timed_out" | "failed"): Promise<readonly FailedRun[]> {
  const { runs } = await dataOf(api.GET("/api/v1/experience/runs", { params: { query: { state, limit: shownRuns } } }));
  // The API describes a run in words.
  return runs as unknown as readonly FailedRun[];
}

function endOf({ verdict, started_at: startedAt }: FailedRun): string {
  return verdict?.verdict_at ?? startedAt ?? "";
}
