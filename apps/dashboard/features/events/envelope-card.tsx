import { Code, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import type { EventNode } from "./event-node.js";

/** What stands around the data of an event, and the data as far as the reader may see them and they are kept. */
export function EnvelopeCard({ event, envelope }: { readonly event: EventNode; readonly envelope: object | null }) {
  const { data, ...attributes } = (envelope ?? attributesOf(event)) as Readonly<Record<string, unknown>>;
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md" style={{ alignItems: "start" }}>
      <Card
        title="Envelope"
        flush
        actions={envelope && <Copy value={JSON.stringify(envelope, null, 2)} label="Copy the envelope" />}
      >
        <Table fz="sm" verticalSpacing={4} aria-label="Envelope">
          <Table.Tbody>
            {Object.entries(attributes).map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Td w={160} c="dimmed">
                  {name}
                </Table.Td>
                <Table.Td dir="auto" style={{ overflowWrap: "anywhere" }}>
                  {typeof value === "string" ? value : JSON.stringify(value)}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Card>
      <Card
        title="Payload"
        actions={data !== undefined && <Copy value={JSON.stringify(data, null, 2)} label="Copy the payload" />}
      >
        {envelope === null ? (
          <Text size="sm" c="dimmed">
            It is not kept any more. An event's payload stays as long as a delivery waits or was given up; this one has
            been handled.
          </Text>
        ) : (
          <Stack gap={6}>
            <Code block tabIndex={0} style={{ maxHeight: 420, overflow: "auto" }}>
              {JSON.stringify(data, null, 2)}
            </Code>
            {JSON.stringify(data)?.includes('"[redacted]"') && (
              <Text size="xs" c="dimmed">
                What is redacted can be read with the scope events:admin.
              </Text>
            )}
          </Stack>
        )}
      </Card>
    </SimpleGrid>
  );
}

/** What the log remembers, called as in an envelope. */
function attributesOf({ id, type, subject, correlationId, causationId, rootCaller, publishedAt }: EventNode): object {
  const known = { id, type, subject, time: publishedAt, correlationid: correlationId, causationid: causationId };
  return Object.fromEntries(Object.entries({ ...known, rootcaller: rootCaller }).filter(([, value]) => value));
}
