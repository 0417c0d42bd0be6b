import { Anchor, Badge, Group, Table, Text } from "@mantine/core";
import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { Ago } from "../../shared/time.js";
import { certifiedAt, type PeerDetail, peerPath } from "./peer.js";
import { StatusBadge } from "./peer-badges.js";
import { readAllPeers } from "./read-all-peers.js";

/** The relays that an announcement lists, and what each has of the repository as far as that was compared. */
export function ListedRelays({ relays, address }: { readonly relays: readonly string[]; readonly address: string }) {
  const status = useQuery({
    queryKey: ["relay", "peers", "status"],
    queryFn: () => dataOf(api.GET("/api/v1/relay/status")),
  });
  const known = useQuery({ queryKey: ["relay", "peers", "list"], queryFn: readAllPeers, refetchInterval: 15_000 });
  const peers = useQueries({
    queries: relays.map((url) => ({
      queryKey: ["relay", "peers", "one", url],
      queryFn: () => dataOf(api.GET("/api/v1/relay/peers/{url}", { params: { path: { url } } })),
      enabled: known.data?.some((peer) => peer.url === url) ?? false,
      refetchInterval: 15_000,
    })),
  });
  return (
    <Card title="Relays" flush={relays.length > 0}>
      {relays.length === 0 ? (
        <Text size="sm" c="dimmed">
          No relay is announced.
        </Text>
      ) : (
        <Table fz="sm" verticalSpacing={6} aria-label="Relays">
          <Table.Tbody>
            {relays.map((url, index) => (
              <Table.Tr key={url}>
                <Table.Td>
                  <Group gap={4} wrap="nowrap">
                    {peers[index]?.data ? (
                      <Anchor component={Link} to={peerPath(url)} size="sm">
                        {url}
                      </Anchor>
                    ) : (
                      <Text size="sm">{url}</Text>
                    )}
                    <Copy value={url} label="Copy the address" />
                  </Group>
                </Table.Td>
                <Table.Td>
                  <Comparison
                    isOurs={withoutScheme(url) === status.data?.domain}
                    isKnown={known.data?.some((peer) => peer.url === url)}
                    peer={peers[index]?.data}
                    address={address}
                  />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Card>
  );
}

function Comparison({
  isOurs,
  isKnown,
  peer,
  address,
}: {
  readonly isOurs: boolean;
  readonly isKnown: boolean | undefined;
  readonly peer: PeerDetail | undefined;
  readonly address: string;
}) {
  if (isOurs)
    return (
      <Badge size="sm" variant="light">
        this relay
      </Badge>
    );
  if (isKnown === false)
    return (
      <Text size="sm" c="dimmed">
        not synced from
      </Text>
    );
  if (peer === undefined) return null;
  const isProven = peer.repos?.includes(address);
  return (
    <Group gap="xs">
      <StatusBadge status={peer.status} />
      <Text size="xs" c="dimmed" component="div">
        {isProven === undefined ? (
          "compared by another process"
        ) : isProven ? (
          <>
            everything that it has is here, proven <Ago at={certifiedAt(peer)} size="xs" />
          </>
        ) : (
          "not compared yet"
        )}
      </Text>
    </Group>
  );
}

function withoutScheme(url: string): string {
  return url.replace(/^wss?:\/\//, "").replace(/\/$/, "");
}
