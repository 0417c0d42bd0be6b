import { Anchor, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { useTimeRange } from "../../shared/time-range.js";
import type { ExperienceReport } from "./figures.js";
import { anomalies, type Run, runPath } from "./run.js";

/** The newest runs with something odd are looked at; more of them tell nothing else. */
const looked = 200;
const shownLateEnds = 5;

/** Runs that ended after they had been given up, and what was odd about checkpoints. */
export function Oddities({
  experience,
  report,
}: {
  readonly experience: string;
  readonly report: ExperienceReport | undefined;
}) {
  const range = useTimeRange();
  const odd = useQuery({
    queryKey: ["experience", "reports", "detail", experience, "odd", range.key],
    queryFn: async () => {
      const answer = await dataOf(
        api.GET("/api/v1/experience/runs", {
          params: {
            query: {
              experience,
              state: "finished",
              anomaly: anomalies.join(","),
              since: range.since(),
              ...(range.until === undefined ? {} : { until: range.until }),
              limit: looked,
            },
          },
        }),
      );
      // As in the list of runs: the API describes a run in words.
      return answer.runs as unknown as readonly Run[];
    },
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  return (
    <Loaded query={odd} skeleton={3}>
      {(runs) => (
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md" style={{ alignItems: "start" }}>
          <LateEnds runs={runs.filter(({ late_end: end }) => end !== undefined)} report={report} />
          <Anomalies runs={runs} experience={experience} />
        </SimpleGrid>
      )}
    </Loaded>
  );
}

function LateEnds({ runs, report }: { readonly runs: readonly Run[]; readonly report: ExperienceReport | undefined }) {
  return (
    <Card title="Ended after they were given up">
      {runs.length === 0 ? (
        <Text size="sm" c="dimmed">
          No run that timed out ended later.
        </Text>
      ) : (
        <Stack gap="xs">
          <Text size="sm">
            {formatCount(runs.length)} of {formatCount(report?.timeouts ?? runs.length)} timeouts ended after all,{" "}
            {formatCount(report?.late_success ?? 0)} of them well. The latest came{" "}
            <b>{formatSeconds(Math.max(...runs.map(({ late_end: end }) => end?.lateness_s ?? 0)))}</b> after the timeout
            of {formatSeconds(report?.timeout_s)}.
          </Text>
          <Table fz="sm" verticalSpacing={4}>
            <Table.Tbody>
              {runs.slice(0, shownLateEnds).map((run) => (
                <Table.Tr key={runPath(run)}>
                  <Table.Td>
                    <Anchor component={Link} to={runPath(run)} size="sm">
                      {formatSeconds(run.late_end?.lateness_s)} late
                    </Anchor>
                  </Table.Td>
                  <Table.Td>{run.late_end?.outcome.replaceAll("_", " ")}</Table.Td>
                  <Table.Td ta="right">
                    <Ago at={run.late_end?.at ?? null} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Stack>
      )}
    </Card>
  );
}

function Anomalies({ runs, experience }: { readonly runs: readonly Run[]; readonly experience: string }) {
  const counts = new Map<string, number>();
  for (const run of runs) for (const name of run.anomalies) counts.set(name, (counts.get(name) ?? 0) + 1);
  return (
    <Card title="Odd checkpoints">
      {counts.size === 0 ? (
        <Text size="sm" c="dimmed">
          Nothing was odd.
        </Text>
      ) : (
        <Stack gap={6}>
          {[...counts]
            .sort(([, left], [, right]) => right - left)
            .map(([name, count]) => (
              <Group key={name} justify="space-between">
                <Anchor
                  component={Link}
                  size="sm"
                  to={`/experiences/runs?experience=${encodeURIComponent(experience)}&anomaly=${name}`}
                >
                  {name.replaceAll("_", " ")}
                </Anchor>
                <Text size="sm" className="figure">
                  {formatCount(count)}
                </Text>
              </Group>
            ))}
          {runs.length === looked && (
            <Text size="xs" c="dimmed">
              Of the newest {looked} runs with something odd.
            </Text>
          )}
        </Stack>
      )}
    </Card>
  );
}
