import { Alert, Anchor, Button, Code, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { IconTimeline } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Card, Figure } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { Causation } from "./causation.js";
import { EnvelopeCard } from "./envelope-card.js";
import { readEventNode, type Subscription } from "./event-node.js";
import { SettlementBadge } from "./settlement-badge.js";

/** One event: who got it, who did not and why, and what came of it. */
export function EventPage() {
  const id = useParams()["event"] ?? "";
  const why = useQuery({
    queryKey: ["events", "why", id],
    queryFn: () => dataOf(api.GET("/api/v1/events/why/{event_id}", { params: { path: { event_id: id } } })),
  });
  const node = why.data && readEventNode(why.data);
  return (
    <Page
      above={[{ to: "/events/log", text: "Event log" }]}
      title={node?.type ?? "Event"}
      subtitle={
        <Group gap={4}>
          <Code>{id}</Code>
          <Copy value={id} label="Copy the event's id" />
        </Group>
      }
      actions={
        node?.correlationId && (
          <Button
            component={Link}
            to={`/timeline/${node.correlationId}`}
            size="xs"
            leftSection={<IconTimeline size={15} />}
          >
            Show the timeline
          </Button>
        )
      }
    >
      <Loaded query={why}>
        {(explanation) => {
          const event = readEventNode(explanation);
          return (
            <Stack>
              {explanation.history === "unavailable" && (
                <Alert color="yellow" variant="light">
                  The history is not reachable just now; only what the queue knows is shown.
                </Alert>
              )}
              <SimpleGrid cols={{ base: 2, md: 4 }} spacing="sm">
                <Figure label="Published">
                  <Ago at={event.publishedAt} size="lg" />
                </Figure>
                <Figure label="Published while handling">
                  <Text size="sm" fw={500}>
                    {event.causationId ? (
                      <Anchor component={Link} to={`/events/${event.causationId}`} size="sm">
                        another event
                      </Anchor>
                    ) : (
                      "nothing"
                    )}
                  </Text>
                </Figure>
                <Figure label="Began with">
                  <Text size="sm" fw={500} style={{ overflowWrap: "anywhere" }}>
                    {event.rootCaller || "not known"}
                  </Text>
                </Figure>
                <Figure label="Subject">
                  <Text size="sm" fw={500} style={{ overflowWrap: "anywhere" }}>
                    {event.subject === id ? "itself" : event.subject}
                  </Text>
                </Figure>
              </SimpleGrid>
              <Card title="Who got it" flush={event.subscriptions.length > 0}>
                {event.subscriptions.length === 0 ? (
                  <Empty title="Nobody subscribes to this event" />
                ) : (
                  event.subscriptions.map((subscription) => (
                    <SubscriptionBlock key={subscription.name} subscription={subscription} />
                  ))
                )}
              </Card>
              <Causation event={event} />
              <EnvelopeCard event={event} envelope={explanation.envelope ?? null} />
            </Stack>
          );
        }}
      </Loaded>
    </Page>
  );
}

const reasons: Readonly<Record<string, string>> = {
  condition_false: "its condition was not met",
  condition_error: "its condition failed",
  deduplicated: "it got the same just before",
  duplicate: "it was published twice",
  flag_off: "its flag is off",
  transport_error: "the queue could not be reached",
};

function SubscriptionBlock({ subscription }: { readonly subscription: Subscription }) {
  const { name, outcome, attempts, queued, deadLetter } = subscription;
  const [subscriber] = name.split("/");
  return (
    <div style={{ borderTop: "1px solid var(--mantine-color-default-border)", padding: "10px 16px" }}>
      <Group gap="xs">
        <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
          {subscriber}
        </Text>
        <SettlementBadge value={outcome} />
        {reasons[outcome] && (
          <Text size="xs" c="dimmed">
            not delivered, because {reasons[outcome]}
          </Text>
        )}
        {outcome === "ignored" && (
          <Text size="xs" c="dimmed">
            its handler looked at the event and said that it did not concern it
          </Text>
        )}
        {queued && (
          <Text size="xs" c="dimmed">
            still waits
          </Text>
        )}
        {deadLetter && (
          <Anchor component={Link} to="/events/dead" size="xs">
            given up, see the dead letters
          </Anchor>
        )}
      </Group>
      {attempts.length > 0 && (
        <Table fz="sm" mt={4} withRowBorders={false} verticalSpacing={3}>
          <Table.Tbody>
            {attempts.map((attempt, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a crashed attempt has the number of the next one.
              <Table.Tr key={index}>
                <Table.Td w={96} c="dimmed">
                  attempt {attempt.attempt ?? index + 1}
                </Table.Td>
                <Table.Td>
                  <SettlementBadge value={attempt.settlement ?? "done"} />
                  {attempt.error && (
                    <Text size="xs" dir="auto" className="narrow-only">
                      {attempt.error.class}: {attempt.error.message}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td w={110} className="wide-only">
                  <Ago at={attempt.started_at ?? null} />
                </Table.Td>
                <Table.Td w={80} ta="right">
                  {formatSeconds(attempt.duration_s)}
                </Table.Td>
                <Table.Td w="58%" dir="auto" className="wide-only">
                  {attempt.error && `${attempt.error.class}: ${attempt.error.message}`}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </div>
  );
}
