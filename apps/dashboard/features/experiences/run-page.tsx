import { Alert, Anchor, Badge, Box, Breadcrumbs, Button, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { IconTimeline } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { Card, Figure } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { Page } from "../../shared/page.js";
import { Loaded } from "../../shared/states.js";
import { Ago, formatDateTime, formatSeconds } from "../../shared/time.js";
import { BesideRun, WhyItFailed } from "./beside-run.js";
import type { RunCheckpoint, RunDetail } from "./run.js";

/** One journey: its verdict and why, and its checkpoints one after the other. */
export function RunPage() {
  const { experience = "", correlation = "", run: number = "1" } = useParams();
  const queryKey = ["experience", "runs", "detail", experience, correlation, number];
  useLive({ "experience.verdicts": queryKey, "experience.open": queryKey });
  const run = useQuery({
    queryKey,
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
        <Anchor component={Link} to="/experiences" size="sm">
          Experiences
        </Anchor>
        <Anchor component={Link} to={`/experiences/${encodeURIComponent(experience)}`} size="sm">
          {experience}
        </Anchor>
        <Text size="sm">run {number}</Text>
      </Breadcrumbs>
      <Page
        title={experience}
        subtitle={
          <Group gap={4} wrap="nowrap">
            <Text ff="monospace" size="xs" style={{ overflowWrap: "anywhere" }}>
              {correlation}
            </Text>
            <Copy value={correlation} label="Copy the correlation id" />
          </Group>
        }
        actions={
          <Button component={Link} to={`/timeline/${correlation}`} size="xs" leftSection={<IconTimeline size={15} />}>
            Show the timeline
          </Button>
        }
      >
        <Loaded query={run}>
          {(data) => (
            <Stack>
              {isBad(data) && <WhyItFailed run={data} />}
              <RunView data={data} />
              <BesideRun correlation={data.correlation_id} failed={isBad(data)} />
            </Stack>
          )}
        </Loaded>
      </Page>
    </Stack>
  );
}

function isBad({ state }: RunDetail): boolean {
  return state === "timed_out" || state === "failed";
}

function RunView({ data }: { readonly data: RunDetail }) {
  const { definition, verdict, late_end: lateEnd } = data;
  const producers = [...new Set(data.timeline.flatMap(({ producer }) => producer ?? []))];
  return (
    <Stack>
      {lateEnd && (
        <Alert color="yellow" variant="light" title={`It ended after all: ${lateEnd.outcome.replaceAll("_", " ")}`}>
          {formatSeconds(lateEnd.lateness_s)} after its deadline.
        </Alert>
      )}
      <SimpleGrid cols={{ base: 2, md: 3, lg: 5 }} spacing="sm">
        <Figure
          label="State"
          tone={isBad(data) ? "bad" : data.state === "succeeded" ? "good" : undefined}
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
        <Figure label="Started" hint={data.started_at && formatDateTime(new Date(data.started_at))}>
          <Ago at={data.started_at ?? null} size="lg" />
        </Figure>
        <Figure label="Last seen at" hint={data.last_seen && <Ago at={data.last_seen.at} size="xs" />}>
          {(data.last_seen?.category ?? data.timeline.at(-1)?.checkpoint ?? "–").replaceAll("_", " ")}
        </Figure>
        <Figure label="Reported by" hint={`type ${data.type}`}>
          {producers.length === 0 ? "–" : producers.join(", ")}
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
    <Table.ScrollContainer minWidth={820}>
      <Table fz="sm" verticalSpacing={6} aria-label="Checkpoints">
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={200}>Checkpoint</Table.Th>
            <Table.Th>Since the start</Table.Th>
            <Table.Th w={84} ta="right">
              Gap
            </Table.Th>
            <Table.Th w={116} ta="right">
              Client's time
            </Table.Th>
            <Table.Th w={116} ta="right">
              Server's time
            </Table.Th>
            <Table.Th w={84} ta="right">
              Skew
            </Table.Th>
            <Table.Th w={140}>Sent by</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {data.timeline.map((checkpoint) => {
            const atMs = Date.parse(checkpoint.occurred_at);
            const from = share(atMs - (checkpoint.gap_s ?? 0) * 1000);
            return (
              <Table.Tr key={checkpoint.event_id} c={checkpoint.applied ? undefined : "dimmed"}>
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
                        background: hasFailed(checkpoint)
                          ? "var(--mantine-color-red-filled)"
                          : "var(--mantine-primary-color-filled)",
                      }}
                    />
                  </Box>
                </Table.Td>
                <Table.Td ta="right">{formatSeconds(checkpoint.gap_s)}</Table.Td>
                <Table.Td ta="right">
                  <Clock at={checkpoint.client_timestamp} />
                </Table.Td>
                <Table.Td ta="right">
                  <Clock at={checkpoint.server_timestamp} />
                </Table.Td>
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
              <Table.Td colSpan={6}>
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

/** To the millisecond, since that is what skew is about; the date stands in the hover. */
function Clock({ at }: { readonly at: string | undefined }) {
  if (at === undefined) return "–";
  const time = new Date(at);
  return (
    <Text component="time" dateTime={at} title={at} size="sm" style={{ whiteSpace: "nowrap" }}>
      {time.toLocaleTimeString(undefined, { hourCycle: "h23" })}.{String(time.getMilliseconds()).padStart(3, "0")}
    </Text>
  );
}

function hasFailed({ outcome }: RunCheckpoint): boolean {
  return outcome === "error";
}

function CheckpointName({ checkpoint }: { readonly checkpoint: RunCheckpoint }) {
  return (
    <Stack gap={2}>
      <Group gap={6}>
        <Text size="sm" fw={600}>
          {checkpoint.checkpoint_category ?? checkpoint.checkpoint}
        </Text>
        {hasFailed(checkpoint) && (
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
