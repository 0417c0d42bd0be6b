import { Badge, Code, Group, Paper, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Copy } from "../../shared/copy.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

const statusColors: Readonly<Record<string, string>> = {
  open: "blue",
  applied: "green",
  closed: "gray",
  draft: "yellow",
};

/** One repository: who maintains it and why, its branches by the newest state, what is talked about. */
export function RepositoryPage() {
  const { npub = "", identifier = "" } = useParams();
  const repository = useQuery({
    queryKey: ["relay", "repositories", npub, identifier],
    queryFn: () =>
      dataOf(api.GET("/api/v1/relay/repositories/{npub}/{identifier}", { params: { path: { npub, identifier } } })),
  });
  return (
    <Page title={repository.data?.name ?? identifier} subtitle={repository.data?.description ?? undefined}>
      <Loaded query={repository}>
        {(data) => (
          <Stack>
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Block title="Clone from" empty="No address is announced" rows={data.clone} />
              <Block title="Relays" empty="No relay is announced" rows={data.relays} />
            </SimpleGrid>
            <Section title="Maintainers">
              <Table fz="sm">
                <Table.Tbody>
                  {data.authority.members.map(({ npub: member, through }) => (
                    <Table.Tr key={member}>
                      <Table.Td>
                        <Group gap={4} wrap="nowrap">
                          <Text size="xs" ff="monospace">
                            {member}
                          </Text>
                          <Copy value={member} label="Copy the npub" />
                        </Group>
                      </Table.Td>
                      <Table.Td c="dimmed">
                        {through.every((name) => name === member)
                          ? "announced it"
                          : `named by ${through.map((name) => name.slice(0, 16)).join(" → ")}`}
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Section>
            <Section title="Branches and tags">
              {data.state === null || data.state === undefined ? (
                <Empty title="No state is announced yet" />
              ) : (
                <Table fz="sm">
                  <Table.Tbody>
                    {data.state.refs.map(({ name, target }) => (
                      <Table.Tr key={name}>
                        <Table.Td>
                          <Group gap={6}>
                            {name}
                            {data.state?.head === name && (
                              <Badge size="xs" variant="light">
                                HEAD
                              </Badge>
                            )}
                          </Group>
                        </Table.Td>
                        <Table.Td>
                          <Code>{target}</Code>
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              )}
            </Section>
            <Section title="Issues, patches and pull requests">
              {data.conversations.length === 0 ? (
                <Empty title="Nothing yet" />
              ) : (
                <Table fz="sm">
                  <Table.Tbody>
                    {data.conversations.map(({ event_id: id, kind, subject, status, created_at: at }) => (
                      <Table.Tr key={id}>
                        <Table.Td w={120} c="dimmed">
                          {kind.replaceAll("_", " ")}
                        </Table.Td>
                        <Table.Td dir="auto">{subject}</Table.Td>
                        <Table.Td w={90}>
                          <Badge size="xs" variant="light" color={statusColors[status] ?? "gray"}>
                            {status}
                          </Badge>
                        </Table.Td>
                        <Table.Td w={120}>
                          <Ago at={at} />
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              )}
            </Section>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Section({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <Paper withBorder p="sm" component="section" aria-label={title}>
      <Text fw={650} mb="xs">
        {title}
      </Text>
      {children}
    </Paper>
  );
}

function Block({
  title,
  rows,
  empty,
}: {
  readonly title: string;
  readonly rows: readonly string[];
  readonly empty: string;
}) {
  return (
    <Section title={title}>
      {rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          {empty}
        </Text>
      ) : (
        rows.map((row) => (
          <Group key={row} gap={4} wrap="nowrap">
            <Code>{row}</Code>
            <Copy value={row} label="Copy" />
          </Group>
        ))
      )}
    </Section>
  );
}
