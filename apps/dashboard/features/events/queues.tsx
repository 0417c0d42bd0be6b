import { ActionIcon, Anchor, Badge, Group, Stack, Text, Tooltip } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import type { paths } from "../../api/schema.js";
import { allows, useSession } from "../../api/session.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";

type Queue = paths["/api/v1/events/subscriptions"]["get"]["responses"]["200"]["content"]["application/json"][number];

/** What waits for each subscriber, how it gets on, and the switch that holds it up. */
export function Queues() {
  const session = useSession().data;
  useLive({ "events.queues": ["events", "queues"] });
  const queues = useQuery({
    queryKey: ["events", "queues"],
    queryFn: () => dataOf(api.GET("/api/v1/events/subscriptions", { params: { query: { limit: 100 } } })),
    refetchInterval: 10_000,
  });
  const mayPause = session ? allows(session, "events:admin") : false;
  return (
    <Page
      title="Queues"
      subtitle="What waits for each subscriber of domain events, and how it got on over the last hour"
    >
      <Loaded query={queues}>
        {(rows) => (
          <DataTable
            label="Queues"
            rows={rows}
            rowKey={({ subscriber }) => subscriber}
            columns={mayPause ? [...columns, switchColumn] : columns}
            empty={
              <Empty title="Nobody subscribes to events">
                A module subscribes with `defineSubscriber`; its queue appears here when the program starts.
              </Empty>
            }
            toolbar={
              <Text size="sm" c="dimmed">
                {rows.length === 1 ? "1 subscriber" : `${rows.length} subscribers`}
              </Text>
            }
          />
        )}
      </Loaded>
    </Page>
  );
}

const columns: readonly Column<Queue>[] = [
  {
    id: "subscriber",
    header: "Subscriber",
    value: ({ subscriber }) => subscriber,
    cell: (row) => <Subscriber row={row} />,
  },
  {
    id: "waiting",
    header: "Waiting",
    width: 84,
    align: "right",
    value: ({ depth }) => depth.ready + depth.scheduled + depth.blocked,
    cell: ({ depth }) => (
      <Tooltip label={`${depth.ready} ready, ${depth.scheduled} later, ${depth.blocked} behind others of their key`}>
        <Text size="sm" component="span" tabIndex={0}>
          {formatCount(depth.ready + depth.scheduled + depth.blocked)}
        </Text>
      </Tooltip>
    ),
  },
  {
    id: "oldest",
    header: "Oldest",
    width: 100,
    value: ({ oldest_ready_at: at }) => at,
    cell: ({ oldest_ready_at: at }) => <Ago at={at} />,
  },
  {
    id: "running",
    header: "Running",
    width: 92,
    align: "right",
    wideOnly: true,
    value: ({ depth }) => depth.running,
    cell: (row) => <Running row={row} />,
  },
  {
    id: "work",
    header: "Attempts, 1 h",
    width: 140,
    wideOnly: true,
    value: ({ work }) => (work === null ? null : work.handled + work.retried + work.dead),
    cell: ({ work }) => {
      if (work === null) return <Text size="xs">not known</Text>;
      const total = work.handled + work.retried + work.dead;
      if (total === 0)
        return (
          <Text size="xs" c="dimmed">
            none logged
          </Text>
        );
      return (
        <Group gap={8} wrap="nowrap">
          <Sparkline values={work.per_two_minutes} width={72} height={22} label={`${total} attempts in an hour`} />
          <Text size="xs" className="figure">
            {formatCount(total)}
          </Text>
        </Group>
      );
    },
  },
  {
    id: "retried",
    header: "Retried",
    width: 84,
    align: "right",
    wideOnly: true,
    value: ({ work }) => work?.retried ?? null,
    cell: ({ work }) => <Problem count={work?.retried} color="var(--app-warn)" />,
  },
  {
    id: "dead",
    header: "Dead",
    width: 70,
    align: "right",
    wideOnly: true,
    value: ({ work }) => work?.dead ?? null,
    cell: ({ work }) =>
      (work?.dead ?? 0) > 0 ? (
        <Anchor component={Link} to="/events/dead" size="sm" c="var(--app-bad)">
          {formatCount(work?.dead ?? 0)}
        </Anchor>
      ) : (
        <Problem count={work?.dead} color="var(--app-bad)" />
      ),
  },
  {
    id: "latency",
    header: "p50 / p95",
    width: 130,
    align: "right",
    wideOnly: true,
    value: ({ work }) => work?.p95_s ?? null,
    cell: ({ work }) =>
      work === null || work.p50_s === null ? "–" : `${formatSeconds(work.p50_s)} / ${formatSeconds(work.p95_s)}`,
  },
  {
    id: "wait",
    header: "Waited, p95",
    width: 104,
    align: "right",
    hidden: true,
    value: ({ work }) => work?.wait_p95_s ?? null,
    cell: ({ work }) => formatSeconds(work?.wait_p95_s),
  },
  {
    id: "urgency",
    header: "Urgency",
    width: 90,
    hidden: true,
    value: ({ subscriptions }) => optionOf(subscriptions[0]?.options, "urgency"),
    cell: ({ subscriptions }) => optionOf(subscriptions[0]?.options, "urgency"),
  },
];

const switchColumn: Column<Queue> = {
  id: "switch",
  header: "Pause",
  width: 64,
  align: "right",
  unsorted: true,
  value: ({ paused }) => (paused ? "paused" : "runs"),
  cell: ({ subscriber, paused }) => <PauseButton subscriber={subscriber} paused={paused} />,
};

const shownEvents = 2;

function Subscriber({ row }: { readonly row: Queue }) {
  const more = row.subscriptions.length - shownEvents;
  return (
    <Stack gap={1}>
      <Group gap={6}>
        <Text size="sm" fw={600}>
          {row.subscriber}
        </Text>
        {row.paused && (
          <Badge size="xs" color="yellow" variant="light">
            paused
          </Badge>
        )}
        {!row.declared && (
          <Tooltip label="Deliveries wait for a subscriber that no running program declares.">
            <Badge size="xs" color="red" variant="light" tabIndex={0}>
              unknown
            </Badge>
          </Tooltip>
        )}
      </Group>
      <Group gap="0 8px">
        {row.subscriptions.slice(0, shownEvents).map(({ id, event, noise }) => (
          <Group key={id} gap={4}>
            <Anchor
              component={Link}
              size="xs"
              c="dimmed"
              to={`/events/log?subscription=${encodeURIComponent(id)}`}
              title="What was delivered"
            >
              {event}
            </Anchor>
            {noise?.advice && (
              <Tooltip
                label={`${formatShare(noise.condition_false_share)} of the conditions were false, ${formatShare(noise.ignored_share)} of ${noise.runs} runs had nothing to do`}
              >
                <Badge size="xs" variant="light" color="yellow" tabIndex={0}>
                  {noise.advice}
                </Badge>
              </Tooltip>
            )}
          </Group>
        ))}
        {more > 0 && (
          <Tooltip
            label={
              <span style={{ whiteSpace: "pre-line" }}>{row.subscriptions.map(({ event }) => event).join("\n")}</span>
            }
          >
            <Text size="xs" c="dimmed" tabIndex={0}>
              and {more} more
            </Text>
          </Tooltip>
        )}
      </Group>
    </Stack>
  );
}

/** How many run, of how many that one process takes at once. */
function Running({ row }: { readonly row: Queue }) {
  const concurrency: unknown = row.subscriptions[0]?.options["concurrency"];
  const limit: unknown =
    typeof concurrency === "object" && concurrency !== null ? Reflect.get(concurrency, "perProcess") : undefined;
  return (
    <>
      {formatCount(row.depth.running)}
      {typeof limit === "number" && (
        <Text span size="xs" c="dimmed" title="Deliveries that one process handles at once">
          {" "}
          of {limit}
        </Text>
      )}
    </>
  );
}

function Problem({ count, color }: { readonly count: number | undefined; readonly color: string }) {
  if (count === undefined) return "–";
  return (
    <Text span size="sm" c={count > 0 ? color : "dimmed"} fw={count > 0 ? 600 : 400}>
      {formatCount(count)}
    </Text>
  );
}

function optionOf(options: Readonly<Record<string, unknown>> | undefined, name: string): string | null {
  const value = options?.[name];
  return typeof value === "string" ? value : null;
}

function PauseButton({ subscriber, paused }: { readonly subscriber: string; readonly paused: boolean }) {
  const queries = useQueryClient();
  const params = { path: { subscriber } };
  const change = useMutation({
    mutationFn: async () => {
      if (paused) await dataOf(api.POST("/api/v1/events/subscriptions/{subscriber}/resume", { params }));
      else await dataOf(api.POST("/api/v1/events/subscriptions/{subscriber}/pause", { params }));
    },
    onSuccess: () => notifications.show({ message: `${subscriber} ${paused ? "handles events again" : "is paused"}.` }),
    onError: (error) => notifications.show({ color: "red", title: "Nothing was changed", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["events", "queues"] }),
  });
  const label = paused ? "Resume" : "Pause";
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="default"
        size={28}
        aria-label={label}
        loading={change.isPending}
        onClick={() => change.mutate()}
      >
        {paused ? <IconPlayerPlay size={14} /> : <IconPlayerPause size={14} />}
      </ActionIcon>
    </Tooltip>
  );
}
