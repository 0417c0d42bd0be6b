import { Anchor, Badge, Button, Group, Table, Text, Tooltip } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

/** What waits for each subscriber, and the switch that holds it up. */
export function Queues() {
  useLive({ "events.queues": ["events", "queues"] });
  const queues = useQuery({
    queryKey: ["events", "queues"],
    queryFn: () => dataOf(api.GET("/api/v1/events/subscriptions", { params: { query: { limit: 100 } } })),
    refetchInterval: 10_000,
  });
  return (
    <Page title="Queues" subtitle="What waits for each subscriber of domain events">
      <Loaded query={queues}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title="Nobody subscribes to events" />
          ) : (
            <Table.ScrollContainer minWidth={820}>
              <Table verticalSpacing="sm">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Subscriber</Table.Th>
                    <Table.Th ta="right">Ready</Table.Th>
                    <Table.Th ta="right">Running</Table.Th>
                    <Table.Th ta="right">Scheduled</Table.Th>
                    <Table.Th ta="right">Blocked</Table.Th>
                    <Table.Th>Oldest</Table.Th>
                    <Table.Th>Events</Table.Th>
                    <Table.Th />
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {rows.map((row) => (
                    <Table.Tr key={row.subscriber}>
                      <Table.Td>
                        <Group gap="xs">
                          <Text size="sm" fw={600}>
                            {row.subscriber}
                          </Text>
                          {row.paused && (
                            <Badge size="xs" color="yellow" variant="light">
                              paused
                            </Badge>
                          )}
                          {!row.declared && (
                            <Tooltip label="Deliveries wait for a subscriber that no running program declares.">
                              <Badge size="xs" color="red" variant="light">
                                unknown
                              </Badge>
                            </Tooltip>
                          )}
                        </Group>
                      </Table.Td>
                      <Table.Td ta="right">{formatCount(row.depth.ready)}</Table.Td>
                      <Table.Td ta="right">{formatCount(row.depth.running)}</Table.Td>
                      <Table.Td ta="right">{formatCount(row.depth.scheduled)}</Table.Td>
                      <Table.Td ta="right">{formatCount(row.depth.blocked)}</Table.Td>
                      <Table.Td>
                        <Ago at={row.oldest_ready_at} />
                      </Table.Td>
                      <Table.Td>
                        {row.subscriptions.map(({ id, event, noise }) => (
                          <Group key={id} gap={6}>
                            <Anchor
                              component={Link}
                              size="xs"
                              to={`/events/log?subscription=${encodeURIComponent(id)}`}
                            >
                              {event}
                            </Anchor>
                            {noise?.advice && (
                              <Tooltip
                                label={`${formatShare(noise.condition_false_share)} of the conditions were false, ${formatShare(noise.ignored_share)} of ${noise.runs} runs had nothing to do`}
                              >
                                <Badge size="xs" variant="light" color="yellow">
                                  {noise.advice}
                                </Badge>
                              </Tooltip>
                            )}
                          </Group>
                        ))}
                      </Table.Td>
                      <Table.Td ta="right">
                        <PauseButton subscriber={row.subscriber} paused={row.paused} />
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </Loaded>
    </Page>
  );
}

function PauseButton({ subscriber, paused }: { readonly subscriber: string; readonly paused: boolean }) {
  const queries = useQueryClient();
  const params = { path: { subscriber } };
  const change = useMutation({
    mutationFn: async () => {
      if (paused) await dataOf(api.POST("/api/v1/events/subscriptions/{subscriber}/resume", { params }));
      else await dataOf(api.POST("/api/v1/events/subscriptions/{subscriber}/pause", { params }));
    },
    onSuccess: () => notifications.show({ message: `${subscriber} ${paused ? "handles events again" : "is paused"}.` }),
    onError: (error) => notifications.show({ color: "red", title: "Nothing was changed", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["events", "queues"] }),
  });
  return (
    <Button size="compact-sm" variant="default" loading={change.isPending} onClick={() => change.mutate()}>
      {paused ? "Resume" : "Pause"}
    </Button>
  );
}
