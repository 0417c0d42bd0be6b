import { Anchor, Badge, Group, Stack, Table, Text } from "@mantine/core";
import { Link } from "react-router";
import { Card } from "../../shared/card.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { formatSeconds } from "../../shared/time.js";
import type { FunnelAnswer } from "./figures.js";

type Step = Pick<FunnelAnswer["steps"][number], "type" | "step">;

const shownDeaths = 6;

/** Where journeys that timed out were seen last, and what should have come. */
export function DiedAfter({ funnel, experience }: { readonly funnel: FunnelAnswer; readonly experience: string }) {
  const timeouts = `/experiences/runs?state=timed_out&experience=${encodeURIComponent(experience)}`;
  return (
    <Card title="Where timed-out runs died">
      {funnel.died_after.length === 0 ? (
        <Text size="sm" c="dimmed" py="md">
          None timed out.
        </Text>
      ) : (
        <Stack gap="sm">
          {funnel.died_after.slice(0, shownDeaths).map((last) => (
            <div key={keyOf(last)}>
              <Group justify="space-between" gap="xs" wrap="nowrap">
                <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                  after <b>{nameOf(last, funnel)}</b>
                  {last.usual_next && (
                    <Text span size="sm" c="dimmed">
                      , where {nameOf(last.usual_next, funnel)} should have come
                    </Text>
                  )}
                </Text>
                <Anchor component={Link} size="sm" className="figure" to={timeouts}>
                  {formatCount(last.count)}
                </Anchor>
              </Group>
              <Bar share={last.share ?? 0} color="var(--app-bad)" />
            </div>
          ))}
        </Stack>
      )}
    </Card>
  );
}

/** How far runs come, step by step. */
export function Funnel({ funnel }: { readonly funnel: FunnelAnswer }) {
  const isSample = funnel.looked_at < funnel.runs;
  return (
    <Card
      title={`Steps of ${isSample ? `${formatCount(funnel.looked_at)} of ` : ""}${formatCount(funnel.runs)} runs`}
      flush
    >
      <Table.ScrollContainer minWidth={620}>
        <Table fz="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={200}>Step</Table.Th>
              <Table.Th>Runs that reached it</Table.Th>
              <Table.Th w={90} ta="right">
                Runs
              </Table.Th>
              <Table.Th w={200} ta="right">
                To the next, p50 / p95 / p99
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {funnel.steps.map((step) => (
              <Table.Tr key={keyOf(step)}>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{nameOf(step, funnel)}</Table.Td>
                <Table.Td>
                  <Group gap="sm" wrap="nowrap">
                    <div style={{ flex: 1 }}>
                      <Bar share={step.share ?? 0} color="var(--app-chart)" />
                    </div>
                    <Text size="xs" c="dimmed" w={52} ta="right" className="figure">
                      {formatShare(step.share)}
                    </Text>
                  </Group>
                </Table.Td>
                <Table.Td ta="right">{formatCount(step.runs)}</Table.Td>
                <Table.Td ta="right">
                  {step.p50_s === null ? (
                    <Badge size="xs" variant="light" color="gray">
                      last
                    </Badge>
                  ) : (
                    [step.p50_s, step.p95_s, step.p99_s].map(formatSeconds).join(" / ")
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

export function Bar({ share, color }: { readonly share: number; readonly color: string }) {
  return (
    <div style={{ height: 8, borderRadius: 4, background: "var(--app-quiet)", marginTop: 4, overflow: "hidden" }}>
      <div style={{ width: `${Math.min(100, share * 100)}%`, height: "100%", background: color }} />
    </div>
  );
}

/** Which component sent it is told where several take part. */
function nameOf({ type, step }: Step, { steps }: FunnelAnswer): string {
  const name = step.replaceAll("_", " ");
  return steps.every((other) => other.type === type) ? name : `${name} · ${type}`;
}

function keyOf({ type, step }: Step): string {
  return `${type} ${step}`;
}
