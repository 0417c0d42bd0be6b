import { Accordion, Badge, Code, Group, Stack, Table, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { formatSeconds } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";

/** Every event type with its schema, who handles it and how that goes. */
export function Catalogue() {
  const url = useUrlState();
  const search = url.get("search");
  const types = useQuery({
    queryKey: ["events", "types"],
    queryFn: () => dataOf(api.GET("/api/v1/events/types", { params: { query: { limit: 100 } } })),
  });
  return (
    <Page title="Event catalogue" subtitle="What modules tell each other">
      <TextInput
        aria-label="Search event types"
        placeholder="Search"
        value={search}
        onChange={(event) => url.set({ search: event.currentTarget.value }, { replace: true })}
      />
      <Loaded query={types}>
        {(all) => {
          const shown = all.filter(({ type, description }) =>
            `${type} ${description ?? ""}`.toLowerCase().includes(search.toLowerCase()),
          );
          if (shown.length === 0) return <Empty title="No event type matches" />;
          return (
            <Accordion
              variant="separated"
              value={url.get("type") || null}
              onChange={(type) => url.set({ type }, { replace: true })}
            >
              {shown.map((entry) => (
                <Accordion.Item key={entry.type} value={entry.type}>
                  <Accordion.Control>
                    <Group justify="space-between" gap="xs" pr="sm">
                      <Stack gap={0} style={{ minWidth: 0 }}>
                        <Group gap="xs">
                          <Text ff="monospace" size="sm" fw={600}>
                            {entry.type}
                          </Text>
                          <Badge size="xs" variant="light" color="gray">
                            v{entry.version}
                          </Badge>
                          {entry.deprecated && (
                            <Badge size="xs" variant="light" color="yellow">
                              deprecated
                            </Badge>
                          )}
                          {entry.subscribers.length === 0 && (
                            <Badge size="xs" variant="light" color="gray">
                              nobody listens
                            </Badge>
                          )}
                        </Group>
                        <Text size="xs" c="dimmed">
                          {entry.description}
                        </Text>
                      </Stack>
                      <Text size="xs" c="dimmed">
                        {entry.published_24h === null ? "–" : formatCount(entry.published_24h)} in 24 h · p95{" "}
                        {formatSeconds(entry.handler_p95_s)} · {formatShare(entry.failure_share)} failed
                      </Text>
                    </Group>
                  </Accordion.Control>
                  <Accordion.Panel>
                    <Stack gap="sm">
                      <Text size="sm">
                        Owner {entry.owner ?? "–"} · category {entry.category ?? "–"}
                      </Text>
                      <Table fz="sm" withTableBorder>
                        <Table.Thead>
                          <Table.Tr>
                            <Table.Th>Subscriber</Table.Th>
                            <Table.Th>Only if</Table.Th>
                          </Table.Tr>
                        </Table.Thead>
                        <Table.Tbody>
                          {entry.subscribers.map(({ subscription, subscriber, condition }) => (
                            <Table.Tr key={subscription}>
                              <Table.Td>{subscriber}</Table.Td>
                              <Table.Td>{condition === null ? "always" : <Code>{condition}</Code>}</Table.Td>
                            </Table.Tr>
                          ))}
                        </Table.Tbody>
                      </Table>
                      <Code block tabIndex={0} style={{ maxHeight: 360, overflow: "auto" }}>
                        {JSON.stringify(entry.schema, null, 2)}
                      </Code>
                    </Stack>
                  </Accordion.Panel>
                </Accordion.Item>
              ))}
            </Accordion>
          );
        }}
      </Loaded>
    </Page>
  );
}
