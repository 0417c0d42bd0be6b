import {
  Alert,
  Anchor,
  Badge,
  Button,
  CloseButton,
  Code,
  Grid,
  Group,
  Paper,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { IconCheck, IconLink } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { Explanation, nameOfCause } from "../../shared/explanation.js";
import { Page } from "../../shared/page.js";
import { pageOfLink } from "../../shared/page-of-link.js";
import { Empty, Loaded } from "../../shared/states.js";
import { formatSeconds } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { useCopy } from "../../shared/use-copy.js";
import { Axis } from "./axis.js";
import type { Entry, Timeline } from "./entry.js";
import { RecentFailures } from "./recent-failures.js";

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
            description="As a ULID, a UUID or a trace id; it stands in logs, in errors and in the header X-Correlation-ID of answers"
            placeholder="01JZ3V2M5T8Q4X9C7B6A1D0E2F"
            style={{ flex: 1 }}
            value={id}
            onChange={(event) => setId(event.currentTarget.value)}
          />
          <Button type="submit">Show</Button>
        </Group>
      </form>
      <RecentFailures />
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
    <Page
      title="Timeline"
      subtitle={
        <Group gap={4}>
          <Code>{timeline.data?.correlation_id ?? id}</Code>
          <Copy value={timeline.data?.correlation_id ?? id} label="Copy the correlation id" />
        </Group>
      }
      actions={
        <>
          <CopyLink />
          <Button
            component="a"
            href={`/api/v1/timeline/${encodeURIComponent(id)}?format=markdown`}
            download={`timeline-${id}.md`}
            size="xs"
            variant="default"
          >
            Export as Markdown
          </Button>
          <Button
            component="a"
            href={`/api/v1/timeline/${encodeURIComponent(id)}`}
            download={`timeline-${id}.json`}
            size="xs"
            variant="default"
          >
            JSON
          </Button>
        </>
      }
    >
      <Loaded query={timeline}>
        {(data) => (
          <Stack>
            <Gaps timeline={data} />
            <Explanations timeline={data} />
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

/** The address has the id, the zoom and what is selected, so it shows others the same. */
function CopyLink() {
  const { copy, copied } = useCopy();
  return (
    <Button
      size="xs"
      variant="default"
      leftSection={copied ? <IconCheck size={14} /> : <IconLink size={14} />}
      onClick={() => copy(window.location.href)}
    >
      {copied ? "Copied" : "Copy the link"}
    </Button>
  );
}

function Gaps({ timeline }: { readonly timeline: Timeline }) {
  const away = timeline.sources.filter(({ state }) => state === "unavailable").map(({ name }) => name);
  const cut = timeline.sources.filter(({ state }) => state === "truncated").map(({ name }) => name);
  if (away.length === 0 && cut.length === 0 && timeline.not_visible_to_you === 0) return null;
  return (
    <Alert color="yellow" variant="light" title="Not everything is shown">
      {away.length > 0 && (
        <Text size="sm">Not reachable just now: {away.join(", ")}. They are asked again by themselves.</Text>
      )}
      {cut.length > 0 && <Text size="sm">Cut off, because there is more than fits: {cut.join(", ")}.</Text>}
      {timeline.not_visible_to_you > 0 && (
        <Text size="sm">Not visible with your token: {timeline.not_visible_to_you}.</Text>
      )}
    </Alert>
  );
}

/** More of them would push the axis out of sight. */
const shownExplanations = 3;

function Explanations({ timeline: { entries } }: { readonly timeline: Timeline }) {
  return entries
    .filter(({ explanation }) => explanation !== undefined)
    .slice(0, shownExplanations)
    .map(({ id, explanation }) => {
      const cause = entries.find((entry) => entry.id === explanation?.cause);
      return (
        <Explanation
          key={id}
          text={explanation?.text ?? ""}
          page={cause?.link && pageOfLink(cause.link)}
          leadsTo={nameOfCause(cause?.kind)}
        />
      );
    });
}

function Entries({ timeline }: { readonly timeline: Timeline }) {
  const url = useUrlState();
  const selected = timeline.entries.find(({ id }) => id === url.get("entry"));
  const startedAt = timeline.entries[0]?.at ?? "";
  return (
    <Stack>
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: selected ? 8 : 12 }}>
          <Axis
            entries={timeline.entries}
            selected={selected}
            onSelect={(entry) => url.set({ entry: entry === selected?.id ? null : entry }, { replace: true })}
          />
        </Grid.Col>
        {selected && (
          <Grid.Col span={{ base: 12, lg: 4 }}>
            <Selected entry={selected} timeline={timeline} />
          </Grid.Col>
        )}
      </Grid>
      <Paper withBorder style={{ overflowX: "auto" }}>
        <Table fz="sm" aria-label="Entries">
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={92}>When</Table.Th>
              <Table.Th w={100} className="wide-only">
                Kind
              </Table.Th>
              <Table.Th>What</Table.Th>
              <Table.Th w={150}>How it ended</Table.Th>
              <Table.Th w={90} ta="right" className="wide-only">
                Took
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {timeline.entries.map((entry) => (
              <Table.Tr
                key={entry.id}
                aria-current={entry === selected}
                // A ground of another colour would make the links in it hard to read.
                style={entry === selected ? { boxShadow: "inset 3px 0 var(--app-chart)" } : undefined}
              >
                <Table.Td>
                  <Text size="sm" component="time" title={entry.at}>
                    {entry.at === startedAt
                      ? new Date(entry.at).toLocaleTimeString(undefined, { hourCycle: "h23" })
                      : `+${formatSeconds((Date.parse(entry.at) - Date.parse(startedAt)) / 1000)}`}
                  </Text>
                </Table.Td>
                <Table.Td c="dimmed" className="wide-only">
                  {entry.kind.replaceAll("_", " ")}
                </Table.Td>
                <Table.Td dir="auto">
                  <EntryLink entry={entry} />
                </Table.Td>
                <Table.Td>
                  <Outcome entry={entry} />
                </Table.Td>
                <Table.Td ta="right" className="wide-only">
                  {entry.duration_s === undefined ? "" : formatSeconds(entry.duration_s)}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Paper>
    </Stack>
  );
}

function EntryLink({ entry }: { readonly entry: Entry }) {
  const page = entry.link === undefined ? undefined : pageOfLink(entry.link);
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

/** One entry with what is known of it, and what belongs to it. */
function Selected({ entry, timeline }: { readonly entry: Entry; readonly timeline: Timeline }) {
  const url = useUrlState();
  const byId = new Map(timeline.entries.map((other) => [other.id, other]));
  const cause = entry.caused_by === undefined ? undefined : byId.get(entry.caused_by);
  const related = entry.related.flatMap((id) => byId.get(id) ?? []);
  const facts: readonly (readonly [string, unknown])[] = [
    ["at", entry.at],
    ...(entry.duration_s === undefined ? [] : [["took", formatSeconds(entry.duration_s)] as const]),
    ...Object.entries(entry.details ?? {}),
  ];
  return (
    <Card
      title="Selected"
      actions={<CloseButton size="sm" aria-label="Close" onClick={() => url.set({ entry: null }, { replace: true })} />}
    >
      <Stack gap="xs">
        <Group gap="xs">
          <Text size="xs" c="dimmed">
            {entry.kind.replaceAll("_", " ")}
          </Text>
          <Outcome entry={entry} />
        </Group>
        <EntryLink entry={entry} />
        <Table fz="xs" withRowBorders={false} verticalSpacing={2} horizontalSpacing={0} aria-label="Details">
          <Table.Tbody>
            {facts.map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Td w={110} c="dimmed">
                  {name.replaceAll("_", " ")}
                </Table.Td>
                <Table.Td dir="auto">{textOf(value)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        {cause && <Others title="Caused by" entries={[cause]} />}
        {related.length > 0 && <Others title="Belongs to it" entries={related} />}
      </Stack>
    </Card>
  );
}

const shownOthers = 8;

function Others({ title, entries }: { readonly title: string; readonly entries: readonly Entry[] }) {
  const url = useUrlState();
  return (
    <div>
      <Text size="xs" fw={650}>
        {title}
      </Text>
      {entries.slice(0, shownOthers).map((entry) => (
        <Group key={entry.id} gap={6} wrap="nowrap">
          <Anchor
            component="button"
            type="button"
            size="xs"
            ta="left"
            onClick={() => url.set({ entry: entry.id }, { replace: true })}
          >
            {entry.title}
          </Anchor>
          <Outcome entry={entry} />
        </Group>
      ))}
      {entries.length > shownOthers && (
        <Text size="xs" c="dimmed">
          and {entries.length - shownOthers} more
        </Text>
      )}
    </div>
  );
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
