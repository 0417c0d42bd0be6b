import { Anchor, Group, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "react-router";
import { api, pageOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import type { paths } from "../../api/schema.js";
import { Copy } from "../../shared/copy.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { Npub } from "./npub.js";
import { WaitingEvents } from "./waiting-events.js";

type Repository = paths["/api/v1/relay/repositories"]["get"]["responses"]["200"]["content"]["application/json"][number];

const columns: readonly Column<Repository>[] = [
  {
    id: "repository",
    header: "Repository",
    value: ({ name, identifier }) => name ?? identifier,
    cell: (row) => (
      <>
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
      </>
    ),
  },
  {
    id: "owner",
    header: "Owner",
    width: 200,
    wideOnly: true,
    value: ({ npub, owner_name: name }) => name ?? npub,
    cell: ({ npub, owner_name: name }) => <Npub npub={npub} name={name} />,
  },
  {
    id: "clone",
    header: "Clone",
    wideOnly: true,
    unsorted: true,
    value: ({ clone }) => clone[0] ?? null,
    cell: ({ clone: [first] }) =>
      first === undefined ? (
        "–"
      ) : (
        <Group gap={2} wrap="nowrap">
          <Text size="xs" ff="monospace" truncate>
            {first}
          </Text>
          <Copy value={first} label="Copy the address to clone from" />
        </Group>
      ),
  },
  {
    id: "relays",
    header: "Relays",
    width: 80,
    align: "right",
    wideOnly: true,
    value: ({ relays }) => relays.length,
    cell: ({ relays }) => relays.length,
  },
  {
    id: "announced",
    header: "Announced",
    width: 120,
    value: ({ announced_at: at }) => at,
    cell: ({ announced_at: at }) => <Ago at={at} />,
  },
];

/** The repositories that are announced on the relay. */
export function RepositoryList() {
  useLive({ "relay.repositories": ["relay", "repositories"] });
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
  const url = useUrlState();
  const search = url.get("owner");
  const rows = useMemo(() => repositories.data?.pages.flatMap(({ items }) => items) ?? [], [repositories.data]);
  const shown = rows.filter(({ name, identifier, npub, owner_name: owner }) =>
    `${name ?? ""} ${identifier} ${npub} ${owner ?? ""}`.toLowerCase().includes(search.toLowerCase()),
  );
  return (
    <Page title="Repositories" subtitle="Announced on the git relay">
      <Loaded query={repositories} skeleton={8}>
        {() => (
          <DataTable
            label="Repositories"
            rows={shown}
            rowKey={({ address }) => address}
            columns={columns}
            empty={
              <Empty title={search === "" ? "No repository is announced here" : "No repository matches"}>
                Clients announce one by an event of kind 30617 that lists this relay.
              </Empty>
            }
            more={
              repositories.hasNextPage
                ? { load: () => void repositories.fetchNextPage(), loading: repositories.isFetchingNextPage }
                : undefined
            }
            toolbar={
              <TextInput
                aria-label="Search repositories"
                placeholder="Search by name or npub"
                size="xs"
                leftSection={<IconSearch size={14} aria-hidden />}
                w={{ base: "100%", sm: 320 }}
                value={search}
                onChange={(event) => url.set({ owner: event.currentTarget.value }, { replace: true })}
              />
            }
          />
        )}
      </Loaded>
      <WaitingEvents />
    </Page>
  );
}
