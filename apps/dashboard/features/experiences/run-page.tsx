import { Anchor, Badge, Box, Breadcrumbs, Button, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { IconTimeline } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Card, Figure } from "../../shared/card.js";
import { Page } from "../../shared/page.js";
import { Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import type { RunCheckpoint, RunDetail } from "./run.js";

/** One journey: its verdict and why, and its checkpoints one after the other. */
export function RunPage() {
  const { experience = "", correlation = "", run: number = "1" } = useParams();
  const run = useQuery({
    queryKey: ["experience", "runs", "detail", experience, correlation, number],
    queryFn: async () =>
      (await dataOf(
        api.GET("/api/v1/experience/runs/{experience}/{correlation}/{run}", {
          params: { path: { experience, correlation, run: number } },
        }),
        // As in the list: the API describes a run in words.
      )) as unknown as RunDetail,
  });
  return (
    <Stack gap="xs">
      <Breadcrumbs fz="sm">
        <Anchor component={Link} to={`/experiences/${encodeURIComponent(experience)}`} size="sm">
          {experience}
        </Anchor>
        <Text size="sm">run {number}</Text>
      </Breadcrumbs>
      <Page
        title={experience}
        subtitle={
          <Text ff="monospace" size="xs" style={{ overflowWrap: "anywhere" }}>
            {correlation}
          </Text>
        }
        actions={
          <Button component={Link} to={`/timeline/${correlation}`} size="xs" leftSection={<IconTimeline size={15} />}>
            Show the timeline
          </Button>
        }
      >
        <Loaded query={run}>{(data) => <RunView data={data} />}</Loaded>
      </Page>
    </Stack>
  );
}

function RunView({ data }: { readonly data: RunDetail }) {
  const { definition, verdict } = data;
  const isBad = data.state === "timed_out" || data.state === "failed";
  return (
    <Stack>
      <SimpleGrid cols={{ base: 2, md: 4 }} spacing="sm">
        <Figure
          label="State"
          tone={isBad ? "bad" : data.state === "succeeded" ? "good" : undefined}
          hint={verdict?.reason && `because of ${verdict.reason.replaceAll("_", " ")}`}
        >
          {data.state.replaceAll("_", " ")}
        </Figure>
        <Figure
          label="Took"
          hint={
            definition &&
            `good below ${formatSeconds(definition.threshold_s)}, given up after ${formatSeconds(definition.timeout_s)}`
          }
        >
          {formatSeconds(data.elapsed_s)}
        </Figure>
        <Figure label="Started" hint={data.started_at && new Date(data.started_at).toLocaleString()}>
          <Ago at={data.started_at ?? null} size="lg" />
        </Figure>
        <Figure label="Last seen at" hint={data.last_seen && <Ago at={data.last_seen.at} size="xs" />}>
          {(data.last_seen?.category ?? data.timeline.at(-1)?.checkpoint ?? "–").replaceAll("_", " ")}
        </Figure>
      </SimpleGrid>
      <Card title="Checkpoints" flush>
        <Waterfall data={data} />
      </Card>
      <Anchor
        component={Link}
        to={`/experiences/runs?experience=${encodeURIComponent(data.covered_experience_id)}`}
        size="sm"
      >
        Other runs of this experience
      </Anchor>
    </Stack>
  );
}

/** Checkpoints on a common axis; the bar is the time since the one before. */
function Waterfall({ data }: { readonly data: RunDetail }) {
  const startMs = Date.parse(data.started_at ?? data.timeline[0]?.occurred_at ?? "");
  const lastMs = Math.max(
    ...data.timeline.map(({ occurred_at: at }) => Date.parse(at)),
    Date.parse(data.verdict?.verdict_at ?? data.started_at ?? ""),
    startMs + 1,
  );
  const share = (timeMs: number): number => Math.min(100, Math.max(0, ((timeMs - startMs) / (lastMs - startMs)) * 100));
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table fz="sm" verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={200}>Checkpoint</Table.Th>
            <Table.Th>Since the start</Table.Th>
            <Table.Th w={90} ta="right">
              Gap
            </Table.Th>
            <Table.Th w={90} ta="right">
              Skew
            </Table.Th>
            <Table.Th w={160}>Sent by</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {data.timeline.map((checkpoint) => {
            const atMs = Date.parse(checkpoint.occurred_at);
            const from = share(atMs - (checkpoint.gap_s ?? 0) * 1000);
            return (
              <Table.Tr key={checkpoint.event_id} style={checkpoint.applied ? undefined : { opacity: 0.6 }}>
                <Table.Td>
                  <CheckpointName checkpoint={checkpoint} />
                </Table.Td>
                <Table.Td>
                  <Box
                    role="img"
                    aria-label={`after ${formatSeconds((atMs - startMs) / 1000)}`}
                    style={{
                      position: "relative",
                      height: 14,
                      background: "var(--mantine-color-default-hover)",
                      borderRadius: 4,
                    }}
                  >
                    <Box
                      style={{
                        position: "absolute",
                        top: 0,
                        bottom: 0,
                        left: `${from}%`,
                        width: `max(4px, ${share(atMs) - from}%)`,
                        borderRadius: 4,
                        background: checkpoint.error
                          ? "var(--mantine-color-red-filled)"
                          : "var(--mantine-primary-color-filled)",
                      }}
                    />
                  </Box>
                </Table.Td>
                <Table.Td ta="right">{formatSeconds(checkpoint.gap_s)}</Table.Td>
                <Table.Td ta="right">{formatSeconds(checkpoint.skew_s)}</Table.Td>
                <Table.Td>{checkpoint.producer}</Table.Td>
              </Table.Tr>
            );
          })}
          {data.state === "timed_out" && data.verdict && (
            <Table.Tr>
              <Table.Td>
                <Badge size="sm" color="red" variant="light">
                  timed out
                </Badge>
              </Table.Td>
              <Table.Td colSpan={4}>
                <Text size="sm" c="dimmed">
                  Nothing more came until the deadline, {formatSeconds(data.elapsed_s)} after the start.
                </Text>
              </Table.Td>
            </Table.Tr>
          )}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function CheckpointName({ checkpoint }: { readonly checkpoint: RunCheckpoint }) {
  return (
    <Stack gap={2}>
      <Group gap={6}>
        <Text size="sm" fw={600}>
          {checkpoint.checkpoint_category ?? checkpoint.checkpoint}
        </Text>
        {checkpoint.error && (
          <Badge size="xs" color="red" variant="light">
            error
          </Badge>
        )}
        {checkpoint.anomalies.map((anomaly) => (
          <Badge key={anomaly} size="xs" color="yellow" variant="outline">
            {anomaly.replaceAll("_", " ")}
          </Badge>
        ))}
      </Group>
      {checkpoint.error_message && (
        <Text size="xs" c="dimmed" dir="auto">
          {checkpoint.error_message}
        </Text>
      )}
    </Stack>
  );
}
