import { Alert, Anchor, Code, Group, Paper, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { SettlementBadge } from "./settlement-badge.js";

/** One event: who got it, who did not and why, and what came of it. */
export function EventPage() {
  const id = useParams()["event"] ?? "";
  const why = useQuery({
    queryKey: ["events", "why", id],
    queryFn: () => dataOf(api.GET("/api/v1/events/why/{event_id}", { params: { path: { event_id: id } } })),
  });
  return (
    <Page title="Event" subtitle={<Code>{id}</Code>}>
      <Loaded query={why}>
        {(explanation) => (
          <Stack>
            {explanation.history === "unavailable" && (
              <Alert color="yellow" variant="light">
                The history is not reachable just now; only what the queue knows is shown.
              </Alert>
            )}
            <Paper withBorder p="sm">
              <Table fz="sm" withRowBorders={false} verticalSpacing={2}>
                <Table.Tbody>
                  {Object.entries(explanation.event).map(([name, value]) => (
                    <Table.Tr key={name}>
                      <Table.Td w={180} c="dimmed">
                        {name.replaceAll("_", " ")}
                      </Table.Td>
                      <Table.Td>{typeof value === "string" ? value : JSON.stringify(value)}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Paper>
            <Text fw={650}>Who got it</Text>
            {explanation.subscriptions.length === 0 ? (
              <Empty title="Nobody subscribes to this event" />
            ) : (
              explanation.subscriptions.map((subscription, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a group may bring a subscription more than once.
                <SubscriptionBlock key={index} subscription={subscription} />
              ))
            )}
            {explanation.children.length > 0 && (
              <>
                <Text fw={650}>What came of it</Text>
                <Stack gap={4}>
                  {explanation.children.map((child) => {
                    const { id: childId, type } = readChild(child);
                    return (
                      <Anchor key={childId} component={Link} to={`/events/${childId}`} size="sm">
                        {type}
                      </Anchor>
                    );
                  })}
                </Stack>
              </>
            )}
            {explanation.envelope && (
              <>
                <Text fw={650}>Envelope</Text>
                <Code block tabIndex={0} style={{ maxHeight: 480, overflow: "auto" }}>
                  {JSON.stringify(explanation.envelope, null, 2)}
                </Code>
              </>
            )}
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

interface Attempt {
  readonly attempt?: number;
  readonly settlement?: string;
  readonly started_at?: string;
  readonly duration_s?: number;
  readonly error?: { readonly class: string; readonly message: string } | null;
}

function SubscriptionBlock({ subscription }: { readonly subscription: { readonly attempts: readonly Attempt[] } }) {
  const { attempts, ...facts } = subscription;
  const named: Readonly<Record<string, unknown>> = facts;
  const name = String(named["subscription"] ?? named["id"] ?? "subscription");
  const outcome = String(named["outcome"] ?? named["decision"] ?? named["state"] ?? "");
  return (
    <Paper withBorder p="sm">
      <Group gap="xs">
        <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
          {name}
        </Text>
        {outcome && <SettlementBadge value={outcome} />}
      </Group>
      {attempts.length > 0 && (
        <Table fz="sm" mt="xs">
          <Table.Tbody>
            {attempts.map((attempt, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a crashed attempt has the number of the next one.
              <Table.Tr key={index}>
                <Table.Td w={90}>attempt {attempt.attempt ?? index + 1}</Table.Td>
                <Table.Td w={110}>
                  <SettlementBadge value={attempt.settlement ?? "done"} />
                </Table.Td>
                <Table.Td w={120}>
                  <Ago at={attempt.started_at ?? null} />
                </Table.Td>
                <Table.Td w={90}>{formatSeconds(attempt.duration_s)}</Table.Td>
                <Table.Td dir="auto">{attempt.error && `${attempt.error.class}: ${attempt.error.message}`}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Paper>
  );
}

function readChild(child: Readonly<Record<string, unknown>>): { readonly id: string; readonly type: string } {
  const event = typeof child["event"] === "object" && child["event"] !== null ? child["event"] : child;
  return { id: String(Reflect.get(event, "id") ?? ""), type: String(Reflect.get(event, "type") ?? "event") };
}
