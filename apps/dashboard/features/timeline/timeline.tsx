import {
  Alert,
  Anchor,
  Badge,
  Box,
  Button,
  Code,
  Group,
  Paper,
  Stack,
  Table,
  Text,
  TextInput,
  UnstyledButton,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { pageOfEntry } from "./page-of-entry.js";

type Timeline = paths["/api/v1/timeline/{correlation_id}"]["get"]["responses"]["200"]["content"]["application/json"];
type Entry = Timeline["entries"][number];

const lanes: readonly { readonly name: string; readonly kinds: readonly Entry["kind"][] }[] = [
  { name: "Journeys", kinds: ["journey", "checkpoint"] },
  { name: "Events and handlers", kinds: ["event", "attempt"] },
  { name: "Errors", kinds: ["error", "alert"] },
  { name: "Relay", kinds: ["relay_event"] },
];

const colors: Readonly<Record<Entry["outcome"], string>> = {
  ok: "var(--mantine-color-green-filled)",
  failed: "var(--mantine-color-red-filled)",
  open: "var(--mantine-color-blue-filled)",
  neutral: "var(--mantine-color-gray-filled)",
};

/** Everything that one correlation id went through, on one axis. */
export function TimelinePage() {
  const { id = "" } = useParams();
  if (id === "") return <TimelineSearch />;
  return <TimelineOf id={id} />;
}

function TimelineSearch() {
  const navigate = useNavigate();
  const [id, setId] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (id.trim() !== "") void navigate(`/timeline/${encodeURIComponent(id.trim())}`);
  };
  return (
    <Page
      title="Timeline"
      subtitle="Everything that one correlation id went through: journeys, events, handlers, errors"
    >
      <form onSubmit={submit}>
        <Group align="flex-end">
          <TextInput
            label="Correlation id"
            description="As a ULID, a UUID or a trace id; it stands in logs, errors and answers of the API"
            style={{ flex: 1 }}
            value={id}
            onChange={(event) => setId(event.currentTarget.value)}
          />
          <Button type="submit">Show</Button>
        </Group>
      </form>
    </Page>
  );
}

function TimelineOf({ id }: { readonly id: string }) {
  const timeline = useQuery({
    queryKey: ["timeline", id],
    queryFn: async () => {
      const answer = await dataOf(
        api.GET("/api/v1/timeline/{correlation_id}", { params: { path: { correlation_id: id } } }),
      );
      // Markdown comes only to those who ask for it.
      if (typeof answer === "string") throw new Error("The server answered with text.");
      return answer;
    },
    refetchInterval: 15_000,
  });
  return (
    <Page title="Timeline" subtitle={<Code>{timeline.data?.correlation_id ?? id}</Code>}>
      <Loaded query={timeline}>
        {(data) => (
          <Stack>
            <Gaps timeline={data} />
            {data.entries.length === 0 ? (
              <Empty title="Nothing carried this id">
                Entries are kept for the retention time of each system. What belongs to other projects is not shown.
              </Empty>
            ) : (
              <Entries timeline={data} />
            )}
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Gaps({ timeline }: { readonly timeline: Timeline }) {
  const away = timeline.sources.filter(({ state }) => state === "unavailable").map(({ name }) => name);
  const cut = timeline.sources.filter(({ state }) => state === "truncated").map(({ name }) => name);
  if (away.length === 0 && cut.length === 0 && timeline.not_visible_to_you === 0) return null;
  return (
    <Alert color="yellow" variant="light" title="Not everything is shown">
      {away.length > 0 && <Text size="sm">Not reachable just now: {away.join(", ")}.</Text>}
      {cut.length > 0 && <Text size="sm">Cut off, because there is more than fits: {cut.join(", ")}.</Text>}
      {timeline.not_visible_to_you > 0 && (
        <Text size="sm">Not visible with your token: {timeline.not_visible_to_you}.</Text>
      )}
    </Alert>
  );
}

function Entries({ timeline }: { readonly timeline: Timeline }) {
  const url = useUrlState();
  const selected = timeline.entries.find(({ id }) => id === url.get("entry"));
  return (
    <Stack>
      <Axis timeline={timeline} selected={selected} onSelect={(entry) => url.set({ entry }, { replace: true })} />
      {selected && <Selected entry={selected} />}
      <Table.ScrollContainer minWidth={640}>
        <Table fz="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={120}>When</Table.Th>
              <Table.Th w={110}>Kind</Table.Th>
              <Table.Th>What</Table.Th>
              <Table.Th w={130}>How it ended</Table.Th>
              <Table.Th w={90} ta="right">
                Took
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {timeline.entries.map((entry) => (
              <Table.Tr key={entry.id} bg={entry === selected ? "var(--mantine-primary-color-light)" : undefined}>
                <Table.Td>
                  <Ago at={entry.at} />
                </Table.Td>
                <Table.Td c="dimmed">{entry.kind.replaceAll("_", " ")}</Table.Td>
                <Table.Td dir="auto">
                  <EntryLink entry={entry} />
                </Table.Td>
                <Table.Td>
                  <Outcome entry={entry} />
                </Table.Td>
                <Table.Td ta="right">{entry.duration_s === undefined ? "" : formatSeconds(entry.duration_s)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}

function EntryLink({ entry }: { readonly entry: Entry }) {
  const page = entry.link === undefined ? undefined : pageOfEntry(entry.link);
  if (page === undefined) return <Text size="sm">{entry.title}</Text>;
  return (
    <Anchor component={Link} to={page} size="sm">
      {entry.title}
    </Anchor>
  );
}

function Outcome({ entry }: { readonly entry: Entry }) {
  const color = { ok: "green", failed: "red", open: "blue", neutral: "gray" }[entry.outcome];
  return (
    <Badge size="xs" variant="light" color={color}>
      {entry.status.replaceAll("_", " ")}
    </Badge>
  );
}

function Selected({ entry }: { readonly entry: Entry }) {
  return (
    <Paper withBorder p="sm">
      <Group gap="xs" mb="xs">
        <EntryLink entry={entry} />
        <Outcome entry={entry} />
        <Text size="xs" c="dimmed" ff="monospace">
          {entry.at}
        </Text>
      </Group>
      {entry.details && (
        <Table fz="xs" withRowBorders={false} verticalSpacing={2}>
          <Table.Tbody>
            {Object.entries(entry.details).map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Td w={180} c="dimmed">
                  {name.replaceAll("_", " ")}
                </Table.Td>
                <Table.Td dir="auto">{typeof value === "string" ? value : JSON.stringify(value)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Paper>
  );
}

const laneHeight = 46;

/** One lane for each system; a bar is as long as its entry took. The table below says the same in words. */
function Axis({
  timeline,
  selected,
  onSelect,
}: {
  readonly timeline: Timeline;
  readonly selected: Entry | undefined;
  readonly onSelect: (id: string) => void;
}) {
  const { entries } = timeline;
  const startMs = Math.min(...entries.map(({ at }) => Date.parse(at)));
  const endMs = Math.max(
    startMs + 1,
    ...entries.map(({ at, duration_s: seconds }) => Date.parse(at) + (seconds ?? 0) * 1000),
  );
  const share = (timeMs: number): number => ((timeMs - startMs) / (endMs - startMs)) * 100;
  const used = lanes
    .map((lane) => ({ ...lane, entries: entries.filter(({ kind }) => lane.kinds.includes(kind)) }))
    .filter((lane) => lane.entries.length > 0);
  return (
    <Paper withBorder p="sm" component="section" aria-label="Timeline">
      {used.map((lane) => (
        <Box key={lane.name} mb="xs">
          <Text size="xs" c="dimmed">
            {lane.name}
          </Text>
          <Box
            style={{
              position: "relative",
              height: laneHeight,
              borderBottom: "1px solid var(--mantine-color-default-border)",
            }}
          >
            {lane.entries.map((entry) => {
              const left = share(Date.parse(entry.at));
              const width = ((entry.duration_s ?? 0) * 100_000) / (endMs - startMs);
              const isLong = entry.kind === "journey" || entry.kind === "attempt";
              return (
                <UnstyledButton
                  key={entry.id}
                  onClick={() => onSelect(entry.id)}
                  aria-label={`${entry.kind} ${entry.title}: ${entry.status}`}
                  title={`${entry.title}: ${entry.status}`}
                  style={{
                    position: "absolute",
                    left: `min(${left}%, calc(100% - 10px))`,
                    top: isLong ? 8 : 24,
                    width: isLong ? `max(6px, ${Math.min(width, 100 - left)}%)` : 10,
                    height: isLong ? 12 : 14,
                    borderRadius: isLong ? 4 : 7,
                    background: colors[entry.outcome],
                    outline: entry === selected ? "2px solid var(--mantine-color-text)" : undefined,
                    opacity: isLong ? 0.85 : 1,
                  }}
                />
              );
            })}
          </Box>
        </Box>
      ))}
      <Group justify="space-between">
        <Text size="xs" c="dimmed">
          {new Date(startMs).toLocaleTimeString()}
        </Text>
        <Text size="xs" c="dimmed">
          {formatSeconds((endMs - startMs) / 1000)} later
        </Text>
      </Group>
    </Paper>
  );
}
