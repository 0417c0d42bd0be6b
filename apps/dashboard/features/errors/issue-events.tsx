import { ActionIcon, Anchor, Button, Code, Group, Stack, Tabs, Text, Tooltip } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import {
  IconChevronLeft,
  IconChevronRight,
  IconChevronsLeft,
  IconChevronsRight,
  IconTimeline,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Copy } from "../../shared/copy.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { AttachmentList, useAttachments } from "./attachment-list.js";
import { BreadcrumbList } from "./breadcrumb-list.js";
import { EventDetails } from "./event-details.js";
import { EventList } from "./event-list.js";
import { breadcrumbsOf, type EventPayload, pairsOf, readPayload } from "./event-payload.js";
import { Grouping } from "./grouping.js";
import type { IssuePath } from "./issue.js";
import { LongText, StackTrace } from "./stack-trace.js";
import { Threads } from "./threads.js";

/** The events of an issue, one at a time, the newest first. */
export function IssueEvents({ path }: { readonly path: IssuePath }) {
  const url = useUrlState();
  const wanted = url.get("event");
  const event = useQuery({
    queryKey: ["errors", path.id, "issue", path.fingerprint, "event", wanted],
    queryFn: async () => {
      const id = wanted === "" ? await endOf(path, "occurred_at_desc") : wanted;
      if (id === undefined) return null;
      return dataOf(
        api.GET("/api/v1/projects/{id}/errors/{fingerprint}/events/{event}", {
          params: { path: { ...path, event: id } },
        }),
      );
    },
    placeholderData: (previous) => previous,
    // An issue is known a moment before its first event can be read.
    refetchInterval: ({ state }) => (state.data === null ? 3_000 : false),
  });
  return (
    <Loaded query={event} skeleton={12}>
      {(current) =>
        current === null ? (
          <Empty title="The events of this issue are gone">They are kept for the project's retention time.</Empty>
        ) : (
          <Stack gap="sm">
            <EventBar
              path={path}
              id={current.event_id}
              at={current.occurred_at}
              older={current.previous ?? null}
              newer={current.next ?? null}
            />
            <EventView
              key={current.event_id}
              path={path}
              event={current.event_id}
              payload={readPayload(current.payload)}
              raw={current.payload}
            />
          </Stack>
        )
      }
    </Loaded>
  );
}

/** The newest or the oldest event. */
async function endOf(path: IssuePath, sort: "occurred_at_asc" | "occurred_at_desc"): Promise<string | undefined> {
  const [event] = await dataOf(
    api.GET("/api/v1/projects/{id}/errors/{fingerprint}/events", { params: { path, query: { sort, limit: 1 } } }),
  );
  return event?.event_id;
}

function EventBar({
  path,
  id,
  at,
  older,
  newer,
}: {
  readonly path: IssuePath;
  readonly id: string;
  readonly at: string;
  readonly older: string | null;
  readonly newer: string | null;
}) {
  const url = useUrlState();
  const show = (event: string | null): void => url.set({ event }, { replace: true });
  useHotkeys([
    ["j", () => older && show(older)],
    ["k", () => newer && show(newer)],
  ]);
  const button = (label: string, isPossible: boolean, onClick: () => void, icon: ReactNode) => (
    <Tooltip label={label}>
      <ActionIcon variant="default" size={28} aria-label={label} disabled={!isPossible} onClick={onClick}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
  return (
    <Group justify="space-between" gap="xs">
      <Group gap="xs">
        <Ago at={at} />
        <Text size="xs" c="dimmed">
          event <Code>{id.slice(0, 12)}</Code>
        </Text>
        <Copy value={id} label="Copy the event's id" />
      </Group>
      <ActionIcon.Group>
        {button(
          "First event",
          older !== null,
          () => void endOf(path, "occurred_at_asc").then((first) => first && show(first)),
          <IconChevronsLeft size={15} />,
        )}
        {button("Older event", older !== null, () => show(older), <IconChevronLeft size={15} />)}
        {button("Newer event", newer !== null, () => show(newer), <IconChevronRight size={15} />)}
        {button("Newest event", newer !== null, () => show(null), <IconChevronsRight size={15} />)}
      </ActionIcon.Group>
    </Group>
  );
}

const tabs = ["trace", "breadcrumbs", "details", "attachments", "events", "grouping", "raw"] as const;

function EventView({
  path,
  event,
  payload,
  raw,
}: {
  readonly path: IssuePath;
  readonly event: string;
  readonly payload: EventPayload;
  readonly raw: string;
}) {
  const url = useUrlState();
  const tab = tabs.find((name) => name === url.get("tab")) ?? "trace";
  const exceptions = payload.exception?.values ?? [];
  const threads = payload.threads?.values ?? [];
  const breadcrumbs = breadcrumbsOf(payload);
  const attachments = useAttachments(path.id, event).data?.length ?? 0;
  const correlation = pairsOf(payload.tags).find(([name]) => name === "correlation_id")?.[1];
  return (
    <Tabs value={tab} onChange={(value) => url.set({ tab: value === "trace" ? null : value }, { replace: true })}>
      {correlation !== undefined && (
        <Button
          component={Link}
          to={`/timeline/${encodeURIComponent(correlation)}`}
          size="xs"
          variant="light"
          mb="sm"
          leftSection={<IconTimeline size={15} />}
        >
          What else happened in this journey
        </Button>
      )}
      <Tabs.List style={{ flexWrap: "nowrap", overflowX: "auto", overflowY: "hidden" }}>
        <Tabs.Tab value="trace">Stack trace</Tabs.Tab>
        <Tabs.Tab value="breadcrumbs">Breadcrumbs {breadcrumbs.length > 0 && `(${breadcrumbs.length})`}</Tabs.Tab>
        <Tabs.Tab value="details">Details</Tabs.Tab>
        <Tabs.Tab value="attachments">Attachments {attachments > 0 && `(${attachments})`}</Tabs.Tab>
        <Tabs.Tab value="events">All events</Tabs.Tab>
        <Tabs.Tab value="grouping">Grouping</Tabs.Tab>
        <Tabs.Tab value="raw">Raw</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="trace" pt="md">
        <Stack gap="md">
          {exceptions.length > 0 && <StackTrace exceptions={exceptions} />}
          {threads.length > 0 && <Threads threads={threads} />}
          {exceptions.length === 0 && threads.length === 0 && (
            <LongText
              text={payload.logentry?.formatted ?? payload.logentry?.message ?? "The event has no stack trace."}
            />
          )}
        </Stack>
      </Tabs.Panel>
      <Tabs.Panel value="breadcrumbs" pt="md">
        <BreadcrumbList breadcrumbs={breadcrumbs} />
      </Tabs.Panel>
      <Tabs.Panel value="details" pt="md">
        <EventDetails payload={payload} />
      </Tabs.Panel>
      <Tabs.Panel value="attachments" pt="md">
        <AttachmentList project={path.id} event={event} />
      </Tabs.Panel>
      <Tabs.Panel value="events" pt="md">
        <EventList path={path} shown={event} />
      </Tabs.Panel>
      <Tabs.Panel value="grouping" pt="md">
        <Grouping path={path} event={event} />
      </Tabs.Panel>
      <Tabs.Panel value="raw" pt="md">
        <Raw path={path} event={event} payload={payload} raw={raw} />
      </Tabs.Panel>
    </Tabs>
  );
}

/** Longer text makes the browser slow; all of it is copied. */
const maxRawLength = 200_000;

function Raw({
  path,
  event,
  payload,
  raw,
}: {
  readonly path: IssuePath;
  readonly event: string;
  readonly payload: EventPayload;
  readonly raw: string;
}) {
  const text = JSON.stringify(payload, null, 2);
  return (
    <>
      <Group justify="flex-end" mb="xs" gap="xs">
        {text.length > maxRawLength && (
          <Text size="xs" c="dimmed">
            The beginning of {text.length.toLocaleString("en")} characters; copying takes all.
          </Text>
        )}
        <Anchor href={`/api/v1/projects/${path.id}/errors/events/${event}.md`} size="sm" target="_blank">
          Markdown
        </Anchor>
        <Copy value={raw} label="Copy the event" />
      </Group>
      <Code block style={{ maxHeight: 640, overflow: "auto" }} tabIndex={0}>
        {text.slice(0, maxRawLength)}
      </Code>
    </>
  );
}
