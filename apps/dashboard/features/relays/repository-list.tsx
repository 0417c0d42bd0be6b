import { Anchor, Button, Stack, Table, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, pageOf } from "../../api/client.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

/** The repositories that are announced on the relay. */
export function RepositoryList() {
  const repositories = useInfiniteQuery({
    queryKey: ["relay", "repositories"],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/relay/repositories", {
          params: { query: { limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: ({ next }) => next,
    refetchInterval: 30_000,
  });
  const rows = repositories.data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <Page title="Repositories" subtitle="Announced on the git relay">
      <Loaded query={repositories} skeleton={8}>
        {() =>
          rows.length === 0 ? (
            <Empty title="No repository is announced here">
              Clients announce one by an event of kind 30617 that lists this relay.
            </Empty>
          ) : (
            <Stack>
              <Table.ScrollContainer minWidth={680}>
                <Table verticalSpacing="sm" highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>Repository</Table.Th>
                      <Table.Th>Owner</Table.Th>
                      <Table.Th ta="right">Relays</Table.Th>
                      <Table.Th>Announced</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {rows.map((row) => (
                      <Table.Tr key={row.address}>
                        <Table.Td>
                          <Anchor
                            component={Link}
                            to={`/relays/repositories/${row.npub}/${encodeURIComponent(row.identifier)}`}
                            size="sm"
                            fw={600}
                            dir="auto"
                          >
                            {row.name ?? row.identifier}
                          </Anchor>
                          <Text size="xs" c="dimmed" lineClamp={1} dir="auto">
                            {row.description}
                          </Text>
                        </Table.Td>
                        <Table.Td>
                          <Text size="xs" ff="monospace" title={row.npub}>
                            {row.npub.slice(0, 16)}…
                          </Text>
                        </Table.Td>
                        <Table.Td ta="right">{row.relays.length}</Table.Td>
                        <Table.Td>
                          <Ago at={row.announced_at} />
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
              {repositories.hasNextPage && (
                <Button
                  variant="default"
                  loading={repositories.isFetchingNextPage}
                  onClick={() => void repositories.fetchNextPage()}
                >
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
