import { Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { Failure } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { shortNpub } from "./short-npub.js";

type Waiting = paths["/api/v1/relay/held"]["get"]["responses"]["200"]["content"]["application/json"][number];

const shown = 20;

/** Events that are kept until what they refer to arrives; `concerns` narrows them to a repository. */
export function WaitingEvents({ concerns }: { readonly concerns?: (waitsFor: readonly string[]) => boolean }) {
  const held = useQuery({
    queryKey: ["relay", "held"],
    queryFn: () => dataOf(api.GET("/api/v1/relay/held")),
    refetchInterval: 15_000,
  });
  if (held.isError && held.data === undefined) return <Failure error={held.error} retry={() => void held.refetch()} />;
  const rows = (held.data ?? []).filter(({ waits_for: targets }) => concerns?.(targets) ?? true);
  return (
    <Card title="Waiting for what they refer to" flush={rows.length > 0}>
      {rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          No event waits. One that comes before the announcement or the issue that it refers to waits for it here.
        </Text>
      ) : (
        <Table.ScrollContainer minWidth={620}>
          <Table fz="sm" verticalSpacing={6} aria-label="Waiting events">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Event</Table.Th>
                <Table.Th>Waits for</Table.Th>
                <Table.Th w={190}>From</Table.Th>
                <Table.Th w={110}>Since</Table.Th>
                <Table.Th w={120}>Given up</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.slice(0, shown).map((row) => (
                <Row key={row.event_id} row={row} />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {rows.length > shown && (
        <Text size="xs" c="dimmed" px="md" pb="sm">
          And {rows.length - shown} more.
        </Text>
      )}
    </Card>
  );
}

function Row({ row }: { readonly row: Waiting }) {
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm">kind {row.kind}</Text>
        <Text size="xs" c="dimmed" ff="monospace" title={row.event_id}>
          {row.event_id.slice(0, 12)}…
          <Copy value={row.event_id} label="Copy the event's id" />
        </Text>
      </Table.Td>
      <Table.Td style={{ overflowWrap: "anywhere" }}>
        {row.waits_for.map((target) => (
          <Text key={target} size="sm" title={target}>
            {describeTarget(target)}
          </Text>
        ))}
      </Table.Td>
      <Table.Td>
        {row.peer ?? "a client"}
        <Text size="xs" c="dimmed" ff="monospace" title={row.author}>
          {shortNpub(row.author)}
        </Text>
      </Table.Td>
      <Table.Td>
        <Ago at={row.since} />
      </Table.Td>
      <Table.Td>
        <Ago at={row.until} />
      </Table.Td>
    </Table.Tr>
  );
}

/** An address names a repository, anything else is the id of an event. */
function describeTarget(target: string): string {
  const [kind, pubkey, ...identifier] = target.split(":");
  if (kind === "30617" && pubkey !== undefined)
    return `the announcement of ${identifier.join(":")} by ${pubkey.slice(0, 8)}…`;
  return identifier.length > 0 ? target : `the event ${target.slice(0, 12)}…`;
}
