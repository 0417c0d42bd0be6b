import { Badge, Code, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import type { paths } from "../../api/schema.js";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { ListedRelays } from "./listed-relays.js";
import { Npub } from "./npub.js";
import { WaitingEvents } from "./waiting-events.js";

type Repository =
  paths["/api/v1/relay/repositories/{npub}/{identifier}"]["get"]["responses"]["200"]["content"]["application/json"];

const statusColors: Readonly<Record<string, string>> = {
  open: "blue",
  applied: "green",
  closed: "gray",
  draft: "yellow",
};

/** One repository: who maintains it and why, its branches by the newest state, what is talked about. */
export function RepositoryPage() {
  const { npub = "", identifier = "" } = useParams();
  useLive({ "relay.repositories": ["relay", "repositories"] });
  const repository = useQuery({
    queryKey: ["relay", "repositories", npub, identifier],
    queryFn: () =>
      dataOf(api.GET("/api/v1/relay/repositories/{npub}/{identifier}", { params: { path: { npub, identifier } } })),
  });
  return (
    <Page
      above={[{ to: "/relays/repositories", text: "Repositories" }]}
      title={repository.data?.name ?? identifier}
      subtitle={
        <Stack gap={2}>
          {repository.data?.description}
          <Group gap={6}>
            announced by <Npub npub={npub} name={repository.data?.owner_name ?? null} />
            {repository.data && <Ago at={repository.data.announced_at} size="xs" />}
          </Group>
        </Stack>
      }
    >
      <Loaded query={repository} skeleton={10}>
        {(data) => (
          <Stack gap="md">
            <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md" style={{ alignItems: "start" }}>
              <Stack gap="md">
                <CloneFrom addresses={data.clone} />
                <Maintainers repository={data} />
              </Stack>
              <Stack gap="md">
                <ListedRelays relays={data.relays} address={data.address} />
                <Refs repository={data} />
              </Stack>
            </SimpleGrid>
            <Conversations repository={data} />
            <WaitingEvents concerns={(waitsFor) => waitsFor.some((target) => isAbout(target, data))} />
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

/** Another maintainer's announcement of the same name, or one of its conversations. */
function isAbout(target: string, { identifier, conversations }: Repository): boolean {
  return target.endsWith(`:${identifier}`) || conversations.some(({ event_id: id }) => id === target);
}

function CloneFrom({ addresses }: { readonly addresses: readonly string[] }) {
  return (
    <Card title="Clone from">
      {addresses.length === 0 ? (
        <Text size="sm" c="dimmed">
          No address is announced.
        </Text>
      ) : (
        addresses.map((address) => (
          <Group key={address} gap={4} wrap="nowrap">
            <Code style={{ overflowWrap: "anywhere" }}>{address}</Code>
            <Copy value={address} label="Copy the address to clone from" />
          </Group>
        ))
      )}
    </Card>
  );
}

/** Who may move the refs, and through whom. */
function Maintainers({ repository: { npub, owner_name: ownerName, authority } }: { readonly repository: Repository }) {
  return (
    <Card title="Maintainers" flush>
      <Table fz="sm" verticalSpacing={6} aria-label="Maintainers">
        <Table.Tbody>
          {authority.members.map(({ npub: member, through }) => (
            <Table.Tr key={member}>
              <Table.Td>
                <Npub npub={member} name={member === npub ? ownerName : null} />
              </Table.Td>
              <Table.Td c="dimmed">
                {member === npub ? (
                  "announced it"
                ) : (
                  <Chain through={through.filter((name) => name !== member)} verb="named by" />
                )}
              </Table.Td>
            </Table.Tr>
          ))}
          {authority.invited.map(({ npub: invited, by }) => (
            <Table.Tr key={invited}>
              <Table.Td>
                <Npub npub={invited} />
              </Table.Td>
              <Table.Td c="dimmed">
                <Chain through={by} verb="invited, but has not announced it, by" />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {authority.skipped.length > 0 && (
        <Text size="xs" c="dimmed" px="md" pb="sm" dir="auto">
          No keys, and left out: {authority.skipped.join(", ")}
        </Text>
      )}
    </Card>
  );
}

function Chain({ through, verb }: { readonly through: readonly string[]; readonly verb: string }) {
  return (
    <Group gap={4}>
      {verb}
      {through.map((key, index) => (
        <Group key={key} gap={4} wrap="nowrap">
          {index > 0 && "→"}
          <Npub npub={key} />
        </Group>
      ))}
    </Group>
  );
}

/** Where the refs should be, as the newest state of a maintainer says. */
function Refs({ repository: { state } }: { readonly repository: Repository }) {
  return (
    <Card
      title="Branches and tags"
      flush={state !== null}
      actions={
        state && (
          <Group gap={6} wrap="nowrap">
            <Text size="xs" c="dimmed" className="wide-only">
              as said by
            </Text>
            <Npub npub={state.author} />
            <Ago at={state.created_at} size="xs" />
          </Group>
        )
      }
    >
      {state === null ? (
        <Empty title="No state is announced yet">
          A maintainer says by an event of kind 30618 where branches and tags are.
        </Empty>
      ) : (
        <Table fz="sm" verticalSpacing={6} aria-label="Branches and tags">
          <Table.Tbody>
            {state.refs.map(({ name, target }) => (
              <Table.Tr key={name}>
                <Table.Td>
                  <Group gap={6}>
                    <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                      {name.replace(/^refs\/(?:heads|tags)\//, "")}
                    </Text>
                    <Text size="xs" c="dimmed">
                      {name.startsWith("refs/tags/") ? "tag" : "branch"}
                    </Text>
                    {state.head === name && (
                      <Badge size="xs" variant="light">
                        HEAD
                      </Badge>
                    )}
                  </Group>
                </Table.Td>
                <Table.Td ta="right">
                  <Code title={target}>{target.slice(0, 12)}</Code>
                  <Copy value={target} label="Copy the commit" />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Card>
  );
}

function Conversations({ repository: { conversations } }: { readonly repository: Repository }) {
  return (
    <Card title="Issues, patches and pull requests" flush={conversations.length > 0}>
      {conversations.length === 0 ? (
        <Empty title="Nothing yet" />
      ) : (
        <Table fz="sm" verticalSpacing={6} aria-label="Issues, patches and pull requests">
          <Table.Tbody>
            {conversations.map(({ event_id: id, kind, subject, author, status, created_at: at, commit }) => (
              <Table.Tr key={id}>
                <Table.Td w={104} c="dimmed" className="wide-only">
                  {kind.replaceAll("_", " ")}
                </Table.Td>
                <Table.Td dir="auto" style={{ overflowWrap: "anywhere" }}>
                  <Text size="xs" c="dimmed" className="narrow-only">
                    {kind.replaceAll("_", " ")}
                  </Text>
                  {subject}
                  {commit && (
                    <Text span size="xs" c="dimmed">
                      {" "}
                      proposes {commit.slice(0, 12)}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td w={210} className="wide-only">
                  <Npub npub={author} />
                </Table.Td>
                <Table.Td w={90}>
                  <Badge size="xs" variant="light" color={statusColors[status] ?? "gray"}>
                    {status}
                  </Badge>
                </Table.Td>
                <Table.Td w={116}>
                  <Ago at={at} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Card>
  );
}
