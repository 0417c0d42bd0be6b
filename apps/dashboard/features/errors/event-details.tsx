import { Alert, Badge, Group, List, Paper, Stack, Table, Text } from "@mantine/core";
import { IconTerminal2 } from "@tabler/icons-react";
import { Copy } from "../../shared/copy.js";
import { asCurl } from "./as-curl.js";
import { asText, type EventPayload, pairsOf } from "./event-payload.js";

type Pairs = readonly (readonly [string, string])[];

/** Everything that came with an event beside its trace, and what happened to it on the way in. */
export function EventDetails({ payload }: { readonly payload: EventPayload }) {
  const { request } = payload;
  const curl = request && asCurl(request);
  const requestPairs: Pairs = request
    ? [
        ...(request.url ? [["URL", `${request.method ?? ""} ${request.url}`.trim()] as const] : []),
        ...(request.query_string ? [["Query", asText(request.query_string)] as const] : []),
        ...(request.data ? [["Body", asText(request.data)] as const] : []),
        ...pairsOf(request.headers),
      ]
    : [];
  const modules = pairsOf(payload.modules);
  return (
    <Stack gap="md">
      <ProcessingNotes payload={payload} />
      <TagBadges pairs={pairsOf(payload.tags)} />
      <Facts title="User" pairs={pairsOf(payload.user)} />
      <Facts
        title="Request"
        pairs={requestPairs}
        action={
          curl && (
            <Group gap={4}>
              <IconTerminal2 size={14} aria-hidden />
              <Copy value={curl} label="Copy as curl" />
            </Group>
          )
        }
      />
      {Object.entries(payload.contexts ?? {}).map(([name, values]) => (
        <Facts key={name} title={name} pairs={pairsOf(values)} />
      ))}
      <Facts title="Extra" pairs={pairsOf(payload.extra)} />
      <Facts
        title="SDK"
        pairs={[
          ["name", payload.sdk?.name ?? ""],
          ["version", payload.sdk?.version ?? ""],
        ]}
      />
      <Facts title={`Modules (${modules.length})`} pairs={modules} />
    </Stack>
  );
}

function TagBadges({ pairs }: { readonly pairs: Pairs }) {
  if (pairs.length === 0) return null;
  return (
    <div>
      <Text fw={600} size="sm" mb={6}>
        Tags
      </Text>
      <Group gap={6}>
        {pairs.map(([name, value], index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a tag may come twice.
          <Badge key={index} variant="light" color="gray" size="md" fw={500} style={{ maxWidth: "100%" }} dir="auto">
            {name}: {value}
          </Badge>
        ))}
      </Group>
    </div>
  );
}

function Facts({
  title,
  pairs,
  action,
}: {
  readonly title: string;
  readonly pairs: Pairs;
  readonly action?: React.ReactNode;
}) {
  const filled = pairs.filter(([, value]) => value !== "");
  if (filled.length === 0) return null;
  return (
    <div>
      <Group justify="space-between" mb={4}>
        <Text fw={600} size="sm" tt="capitalize" style={{ minWidth: 0, overflowWrap: "anywhere" }}>
          {title}
        </Text>
        {action}
      </Group>
      <Paper withBorder style={{ overflow: "hidden" }}>
        <Table fz="sm" verticalSpacing={4} aria-label={title}>
          <Table.Tbody>
            {filled.map(([name, value], index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a header may come twice.
              <Table.Tr key={index}>
                <Table.Td w="30%" c="dimmed" style={{ verticalAlign: "top" }}>
                  {name}
                </Table.Td>
                <Table.Td dir="auto" style={{ whiteSpace: "pre-wrap" }}>
                  {value}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Paper>
    </div>
  );
}

const noteTexts: Readonly<Record<string, string>> = {
  too_many: "more than is kept; left out",
  value_too_long: "longer than is kept; cut",
  invalid_data: "not of the form that is expected; left out",
};

/** What was scrubbed, trimmed or not understood. */
function ProcessingNotes({ payload }: { readonly payload: EventPayload }) {
  const problems = payload.processing_errors ?? [];
  const scrubbed = payload.scrubbed ?? [];
  if (problems.length === 0 && scrubbed.length === 0) return null;
  return (
    <Alert variant="light" color="yellow" title="What was changed before the event was kept">
      <List size="sm">
        {scrubbed.map((value) => (
          <List.Item key={JSON.stringify(value)}>
            <b>{String(value["path"] ?? "a value")}</b> was taken out
            {typeof value["rule"] === "string" && ` by the rule ${value["rule"]}`}
          </List.Item>
        ))}
        {problems.map(({ type = "", name = "", value }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a field may be noted twice.
          <List.Item key={index}>
            <b>{name}</b>: {noteTexts[type] ?? type.replaceAll("_", " ")}
            {value !== undefined && ` (${asText(value)})`}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}
