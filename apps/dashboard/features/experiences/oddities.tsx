import { Anchor, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { useTimeRange } from "../../shared/time-range.js";
import type { LatenessAnswer } from "./figures.js";
import { LateEnds } from "./late-ends.js";
import { anomalies, type Run } from "./run.js";

/** The newest runs with something odd are looked at; more of them tell nothing else. */
const looked = 200;

/** Runs that ended after they had been given up, and what was odd about checkpoints. */
export function Oddities({ experience, lateness }: { readonly experience: string; readonly lateness: LatenessAnswer }) {
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
          <LateEnds runs={runs.filter(({ late_end: end }) => end !== undefined)} lateness={lateness} />
          <Anomalies runs={runs} experience={experience} />
        </SimpleGrid>
      )}
    </Loaded>
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
