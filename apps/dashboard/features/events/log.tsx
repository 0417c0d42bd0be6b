import { Anchor, Button, Group, Stack, Table, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link } from "react-router";
import { api, pageOf } from "../../api/client.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { SettlementBadge } from "./settlement-badge.js";

const filters = [
  { name: "type", label: "Event type" },
  { name: "subscription", label: "Subscription" },
  { name: "correlation_id", label: "Correlation id" },
] as const;

/** Who got what, why not, and how long it took. */
export function EventLog() {
  const url = useUrlState();
  const query = Object.fromEntries(filters.flatMap(({ name }) => (url.get(name) ? [[name, url.get(name)]] : [])));
  const log = useInfiniteQuery({
    queryKey: ["events", "log", query],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/events/log", {
          params: { query: { ...query, limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: ({ next }) => next,
  });
  const rows = log.data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <Page title="Event log" subtitle="What was published, who got it, and how handling it ended">
      <Filters key={JSON.stringify(query)} />
      <Loaded query={log} skeleton={10}>
        {() =>
          rows.length === 0 ? (
            <Empty title="Nothing was logged that matches" />
          ) : (
            <Stack>
              <Table.ScrollContainer minWidth={760}>
                <Table fz="sm">
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th w={120}>When</Table.Th>
                      <Table.Th>Event</Table.Th>
                      <Table.Th>What happened</Table.Th>
                      <Table.Th ta="right">Took</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {rows.map((row) => (
                      <Table.Tr
                        key={`${row.kind}.${row.event_id}.${row.delivery_id ?? ""}.${row.attempt ?? 0}.${row.at}`}
                      >
                        <Table.Td>
                          <Ago at={row.at} />
                        </Table.Td>
                        <Table.Td>
                          <Anchor component={Link} size="sm" to={`/events/${row.event_id}`}>
                            {row.event_type}
                          </Anchor>
                        </Table.Td>
                        <Table.Td>
                          {row.kind === "published" ? (
                            <Group gap={6}>
                              <Text size="sm">published</Text>
                              {(row.decisions ?? []).map(({ subscription, decision }) => (
                                <SettlementBadge key={`${subscription}.${decision}`} value={decision} />
                              ))}
                            </Group>
                          ) : (
                            <Group gap={6}>
                              <Text size="sm">{row.subscription}</Text>
                              <SettlementBadge value={row.settlement ?? "done"} />
                              {row.error && (
                                <Text size="xs" c="dimmed" lineClamp={1} dir="auto">
                                  {row.error.message}
                                </Text>
                              )}
                            </Group>
                          )}
                        </Table.Td>
                        <Table.Td ta="right">{row.kind === "attempt" ? formatSeconds(row.duration_s) : ""}</Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
              {log.hasNextPage && (
                <Button variant="default" loading={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
                  Show more
                </Button>
              )}
            </Stack>
          )
        }
      </Loaded>
    </Page>
  );
}

function Filters() {
  const url = useUrlState();
  const [values, setValues] = useState<Readonly<Record<string, string>>>(
    Object.fromEntries(filters.map(({ name }) => [name, url.get(name)])),
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    url.set(values);
  };
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="sm">
        {filters.map(({ name, label }) => (
          <TextInput
            key={name}
            label={label}
            style={{ flex: "1 1 200px" }}
            value={values[name] ?? ""}
            onChange={(event) => setValues({ ...values, [name]: event.currentTarget.value })}
          />
        ))}
        <Button type="submit" variant="default">
          Filter
        </Button>
      </Group>
    </form>
  );
}
