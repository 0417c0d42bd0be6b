import {
  Accordion,
  Alert,
  Anchor,
  Badge,
  Code,
  Group,
  SegmentedControl,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { formatSeconds } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { Versions } from "./versions.js";

type EventType = paths["/api/v1/events/types"]["get"]["responses"]["200"]["content"]["application/json"][number];

const kinds = [
  { value: "all", label: "All" },
  { value: "used", label: "In use" },
  { value: "orphaned", label: "Nobody listens" },
  { value: "deprecated", label: "Deprecated" },
];

/** Every event type with its schema, who handles it and how that goes. */
export function Catalogue() {
  const url = useUrlState();
  const search = url.get("search");
  const kind = url.get("kind", "all");
  const types = useQuery({
    queryKey: ["events", "types"],
    queryFn: () => dataOf(api.GET("/api/v1/events/types", { params: { query: { limit: 100 } } })),
  });
  return (
    <Page title="Catalogue" subtitle="What modules tell each other: every event type, who owns it and who listens">
      <Group gap="sm">
        <TextInput
          aria-label="Search event types"
          placeholder="Search"
          size="xs"
          leftSection={<IconSearch size={14} aria-hidden />}
          w={{ base: "100%", sm: 320 }}
          value={search}
          onChange={(event) => url.set({ search: event.currentTarget.value }, { replace: true })}
        />
        <SegmentedControl
          size="xs"
          aria-label="Which types"
          data={kinds}
          value={kind}
          onChange={(value) => url.set({ kind: value === "all" ? null : value })}
        />
      </Group>
      <Loaded query={types}>
        {(all) => {
          const shown = all.filter(
            (type) =>
              isOfKind(type, kind) &&
              `${type.type} ${type.description ?? ""} ${type.owner ?? ""}`.toLowerCase().includes(search.toLowerCase()),
          );
          if (shown.length === 0) return <Empty title="No event type matches" />;
          return (
            <Stack gap="lg">
              {byContext(shown).map(([context, own]) => (
                <div key={context}>
                  <Text fw={650} size="sm" mb={6}>
                    {context}
                  </Text>
                  <Accordion
                    variant="contained"
                    value={url.get("type") || null}
                    onChange={(type) => url.set({ type }, { replace: true })}
                    styles={{ item: { background: "var(--app-card)" }, label: { paddingBlock: 8 } }}
                  >
                    {own.map((type) => (
                      <TypeItem key={type.type} type={type} />
                    ))}
                  </Accordion>
                </div>
              ))}
            </Stack>
          );
        }}
      </Loaded>
    </Page>
  );
}

function isOfKind(type: EventType, kind: string): boolean {
  if (kind === "used") return (type.published_24h ?? 0) > 0;
  if (kind === "orphaned") return type.subscribers.length === 0;
  return kind !== "deprecated" || Boolean(type.deprecated);
}

function byContext(types: readonly EventType[]): readonly (readonly [string, readonly EventType[]])[] {
  const groups = new Map<string, EventType[]>();
  for (const type of types) groups.set(type.context, [...(groups.get(type.context) ?? []), type]);
  return [...groups].sort(([left], [right]) => left.localeCompare(right));
}

function TypeItem({ type }: { readonly type: EventType }) {
  const isFailing = (type.failure_share ?? 0) > 0;
  const isLogged = type.log === "all";
  return (
    <Accordion.Item value={type.type}>
      <Accordion.Control>
        <Group justify="space-between" gap="sm" pr="sm" wrap="nowrap">
          <Stack gap={1} style={{ minWidth: 0 }}>
            <Group gap={6}>
              <Text ff="monospace" fz={13} fw={650} style={{ overflowWrap: "anywhere" }}>
                {type.type}
              </Text>
              {type.version > 1 && (
                <Badge size="xs" variant="light" color="gray">
                  v{type.version}
                </Badge>
              )}
              {type.deprecated && (
                <Badge size="xs" variant="light" color="yellow">
                  deprecated
                </Badge>
              )}
              {type.subscribers.length === 0 && (
                <Badge size="xs" variant="outline" color="gray">
                  nobody listens
                </Badge>
              )}
            </Group>
            <Text size="xs" c="dimmed">
              {type.description}
            </Text>
          </Stack>
          <Group gap="lg" wrap="nowrap" className="wide-only" style={{ flex: "none" }}>
            <Measure label={isLogged ? "in 24 h" : "not logged"} value={volumeOf(type)} />
            <Measure label="p95" value={formatSeconds(type.handler_p95_s)} />
            <Measure label="failed" value={formatShare(type.failure_share)} bad={isFailing} />
          </Group>
        </Group>
      </Accordion.Control>
      <Accordion.Panel>
        <Stack gap="md">
          <Text size="sm">
            Owned by <b>{type.owner ?? "nobody"}</b>
            {type.category && ` · ${type.category.replaceAll("_", " ")}`} · version {type.version}
            {" · "}
            <Anchor
              component={Link}
              size="sm"
              underline="always"
              to={`/events/log?type=${encodeURIComponent(type.type)}`}
            >
              in the log
            </Anchor>{" "}
            ·{" "}
            <Anchor
              component={Link}
              size="sm"
              underline="always"
              to={`/events/graph?node=${encodeURIComponent(`event ${type.type}`)}`}
            >
              in the graph
            </Anchor>
          </Text>
          {type.deprecated && <Deprecated deprecated={type.deprecated} />}
          <Publishers type={type} />
          <Subscribers type={type} />
          <Fields type={type} />
          {type.versions.length > 1 && <Versions type={type.type} versions={type.versions} />}
          {type.examples.length > 0 && (
            <div>
              <Text size="sm" fw={600} mb={4}>
                Example
              </Text>
              <Code block tabIndex={0}>
                {JSON.stringify(type.examples[0], null, 2)}
              </Code>
            </div>
          )}
        </Stack>
      </Accordion.Panel>
    </Accordion.Item>
  );
}

/** Of what is not logged nobody knows how often it was published. */
function volumeOf({ log, published_24h: published }: EventType): string {
  return log !== "all" || published === null ? "–" : formatCount(published);
}

function Deprecated({ deprecated }: { readonly deprecated: Readonly<Record<string, unknown>> }) {
  return (
    <Alert color="yellow" variant="light" title="Deprecated">
      {Object.entries(deprecated)
        .map(
          ([name, value]) =>
            `${name.replaceAll("_", " ")}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
        )
        .join(" · ")}
    </Alert>
  );
}

/** Its module, and what was seen of it in the last day. */
function Publishers({ type }: { readonly type: EventType }) {
  const seen = type.publishers ?? [];
  return (
    <Table fz="sm" withTableBorder aria-label="Publishers">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Published by {type.context}</Table.Th>
          <Table.Th>While handling</Table.Th>
          <Table.Th w={110} ta="right">
            In 24 h
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {seen.length === 0 ? (
          <Table.Tr>
            <Table.Td colSpan={3} c="dimmed">
              {type.log === "all" ? "Nobody has published it in the last 24 hours." : "Its publishing is not logged."}
            </Table.Td>
          </Table.Tr>
        ) : (
          seen.map(({ caller, handling, published }) => (
            <Table.Tr key={`${caller} ${handling}`}>
              <Table.Td dir="auto">{caller ?? "not said"}</Table.Td>
              <Table.Td>
                {handling === null ? (
                  "–"
                ) : (
                  <Anchor component={Link} size="sm" to={`/events/catalogue?type=${encodeURIComponent(handling)}`}>
                    {handling}
                  </Anchor>
                )}
              </Table.Td>
              <Table.Td ta="right">{formatCount(published)}</Table.Td>
            </Table.Tr>
          ))
        )}
      </Table.Tbody>
    </Table>
  );
}

function Measure({
  label,
  value,
  bad = false,
}: {
  readonly label: string;
  readonly value: string;
  readonly bad?: boolean;
}) {
  return (
    <div style={{ textAlign: "right", minWidth: 54 }}>
      <Text size="sm" className="figure" fw={600} c={bad ? "var(--app-bad)" : undefined}>
        {value}
      </Text>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
    </div>
  );
}

function Subscribers({ type }: { readonly type: EventType }) {
  if (type.subscribers.length === 0)
    return (
      <Text size="sm" c="dimmed">
        No module listens to it.
      </Text>
    );
  return (
    <Table fz="sm" withTableBorder aria-label="Subscribers">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Handled by</Table.Th>
          <Table.Th>Only if</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {type.subscribers.map(({ subscription, subscriber, condition }) => (
          <Table.Tr key={subscription}>
            <Table.Td>{subscriber}</Table.Td>
            <Table.Td>{condition === null ? "always" : <Code>{condition}</Code>}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** The schema as a tree that can be read: one line for each field, indented below what it belongs to. */
function Fields({ type }: { readonly type: EventType }) {
  if (type.fields.length === 0)
    return (
      <Text size="sm" c="dimmed">
        It carries no data.
      </Text>
    );
  return (
    <Table fz="sm" withTableBorder aria-label="Fields">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Field</Table.Th>
          <Table.Th w={110}>Type</Table.Th>
          <Table.Th>Meaning</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {type.fields.map((field) => {
          const text = (name: string): string => (typeof field[name] === "string" ? field[name] : "");
          const [pointer, of, description, constraints] = [
            text("pointer"),
            text("type"),
            text("description"),
            text("constraints"),
          ];
          const required = field["required"] === true;
          const path = pointer.split("/").slice(1);
          const isSensitive = type.sensitive.includes(pointer);
          return (
            <Table.Tr key={pointer}>
              <Table.Td style={{ paddingLeft: 12 + (path.length - 1) * 18 }}>
                <Group gap={6}>
                  <Text ff="monospace" fz={13} fw={required ? 650 : 400}>
                    {path.at(-1)}
                  </Text>
                  {!required && (
                    <Text size="xs" c="dimmed">
                      optional
                    </Text>
                  )}
                  {isSensitive && (
                    <Badge size="xs" variant="light" color="orange">
                      sensitive
                    </Badge>
                  )}
                </Group>
              </Table.Td>
              <Table.Td c="dimmed">{of}</Table.Td>
              <Table.Td>
                {description}
                {constraints && (
                  <Text size="xs" c="dimmed">
                    {constraints}
                  </Text>
                )}
              </Table.Td>
            </Table.Tr>
          );
        })}
      </Table.Tbody>
    </Table>
  );
}
