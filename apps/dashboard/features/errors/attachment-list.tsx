import { Anchor, Code, Paper, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { formatBytes } from "../../shared/numbers.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

export function useAttachments(project: number, event: string) {
  return useQuery({
    queryKey: ["errors", project, "attachments", event],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/events/{event}/attachments", {
          params: { path: { id: project, event } },
        }),
      ),
    staleTime: 60_000,
  });
}

/** The files that came with an event, to be saved. */
export function AttachmentList({ project, event }: { readonly project: number; readonly event: string }) {
  return (
    <Loaded query={useAttachments(project, event)} skeleton={3}>
      {(attachments) =>
        attachments.length === 0 ? (
          <Empty title="No attachments">
            SDKs send files along with an event: screenshots, logs, minidumps. This one came without.
          </Empty>
        ) : (
          <Paper withBorder style={{ overflowX: "auto" }}>
            <Table fz="sm" aria-label="Attachments">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Name and type</Table.Th>
                  <Table.Th ta="right" w={90}>
                    Size
                  </Table.Th>
                  <Table.Th className="wide-only" w={130}>
                    Received
                  </Table.Th>
                  <Table.Th className="wide-only" w={130}>
                    SHA-256
                  </Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {attachments.map((attachment) => (
                  <Table.Tr key={attachment.n}>
                    <Table.Td>
                      <Anchor
                        href={`/api/v1/projects/${project}/errors/events/${event}/attachments/${attachment.n}`}
                        download={attachment.name}
                        size="sm"
                        dir="auto"
                        style={{ overflowWrap: "anywhere" }}
                      >
                        {attachment.name}
                      </Anchor>
                      <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                        {typeOf(attachment)}
                      </Text>
                    </Table.Td>
                    <Table.Td ta="right" title={`${attachment.bytes.toLocaleString("en")} bytes`}>
                      {formatBytes(attachment.bytes)}
                    </Table.Td>
                    <Table.Td className="wide-only">
                      <Ago at={attachment.received_at} />
                    </Table.Td>
                    <Table.Td className="wide-only" title={attachment.sha256}>
                      <Code>{attachment.sha256.slice(0, 12)}</Code>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Paper>
        )
      }
    </Loaded>
  );
}

function typeOf(attachment: { readonly content_type: string | null; readonly attachment_type: string | null }): string {
  const type = attachment.content_type ?? "of no stated type";
  return attachment.attachment_type === null ? type : `${type} · ${attachment.attachment_type}`;
}
