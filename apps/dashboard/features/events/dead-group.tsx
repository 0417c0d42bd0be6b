import { Accordion, Anchor, Button, Code, Group, Paper, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import { api, dataOf, pageOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { type DeadFilter, type DeadSelection, reasons } from "./dead-selection.js";

export type DeadGroup =
  paths["/api/v1/events/dead/groups"]["get"]["responses"]["200"]["content"]["application/json"][number];
type Letter = paths["/api/v1/events/dead"]["get"]["responses"]["200"]["content"]["application/json"][number];

export interface DeadActions {
  readonly replay: (selection: DeadSelection) => void;
  readonly discard: (selection: DeadSelection, count: number) => void;
}

/** Letters of one subscriber that failed of the same. */
export function DeadGroupPanel({
  group,
  filter,
  actions,
}: {
  readonly group: DeadGroup;
  /** What the page is narrowed to. */
  readonly filter: DeadFilter | undefined;
  /** Absent: this person may only look. */
  readonly actions: DeadActions | undefined;
}) {
  const url = useUrlState();
  const { fingerprint, count } = group;
  const isOpen = url.get("group") === fingerprint;
  const own: DeadFilter = { ...filter, fingerprint };
  return (
    <Paper withBorder p="md" component="section" aria-label={`Letters of ${group.subscriptions.join(", ")}`}>
      <Group justify="space-between" wrap="wrap" gap="sm" align="flex-start">
        <Stack gap={2} style={{ minWidth: 0, flex: "1 1 300px" }}>
          <Group gap="xs" wrap="nowrap" align="baseline">
            <Text fw={650} className="figure">
              {formatCount(count)}
            </Text>
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              {group.subscriptions.join(", ")}
            </Text>
          </Group>
          <Group gap={6}>
            <Text size="xs" c="dimmed">
              last
            </Text>
            <Ago at={group.last_dead_at} size="xs" />
            <Text size="xs" c="dimmed">
              · first
            </Text>
            <Ago at={group.first_dead_at} size="xs" />
          </Group>
        </Stack>
        <Group gap="xs">
          <Button
            size="xs"
            variant="default"
            onClick={() => url.set({ group: isOpen ? null : fingerprint })}
            aria-expanded={isOpen}
          >
            {isOpen ? "Hide letters" : "Show letters"}
          </Button>
          {actions && (
            <>
              <Button size="xs" onClick={() => actions.replay({ filter: own })}>
                Replay
              </Button>
              <Button size="xs" variant="light" color="red" onClick={() => actions.discard({ filter: own }, count)}>
                Discard
              </Button>
            </>
          )}
        </Group>
      </Group>
      <Sample id={group.sample_id} />
      {isOpen && <Letters filter={own} actions={actions} />}
    </Paper>
  );
}

/** One letter of the group, which speaks for the others. */
function Sample({ id }: { readonly id: string }) {
  const letter = useQuery({
    queryKey: ["events", "dead", "letter", id],
    queryFn: () => dataOf(api.GET("/api/v1/events/dead/{id}", { params: { path: { id } } })),
  });
  return (
    <Loaded query={letter} skeleton={2}>
      {({ error, reason, attempts, event }) => (
        <Stack gap={6} mt="xs">
          <Text size="sm" dir="auto" style={{ overflowWrap: "anywhere" }}>
            <Code>{error.class}</Code> {error.message}
          </Text>
          <Text size="xs" c="dimmed">
            {reasons[reason]}, {attempts.length} {attempts.length === 1 ? "attempt" : "attempts"}
          </Text>
          <Accordion
            variant="default"
            chevronPosition="left"
            styles={{ chevron: { marginInlineStart: 0 }, content: { paddingInline: 0 } }}
          >
            <Accordion.Item value="sample" style={{ borderBottom: 0 }}>
              <Accordion.Control px={0}>
                <Text size="xs">One of them: stack and event</Text>
              </Accordion.Control>
              <Accordion.Panel>
                <Stack gap="xs">
                  {error.stack && (
                    <Code block tabIndex={0} style={{ maxHeight: 260, overflow: "auto" }}>
                      {error.stack}
                    </Code>
                  )}
                  <Code block tabIndex={0} style={{ maxHeight: 260, overflow: "auto" }}>
                    {JSON.stringify(event, null, 2)}
                  </Code>
                </Stack>
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
        </Stack>
      )}
    </Loaded>
  );
}

function Letters({ filter, actions }: { readonly filter: DeadFilter; readonly actions: DeadActions | undefined }) {
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const letters = useInfiniteQuery({
    queryKey: ["events", "dead", "letters", filter],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/events/dead", {
          params: { query: { ...filter, state: "dead", limit: 100, ...(pageParam && { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: ({ next }) => next,
  });
  const rows = useMemo(() => letters.data?.pages.flatMap(({ items }) => items) ?? [], [letters.data]);
  const chosen = rows.filter(({ id }) => selected.has(id)).map(({ id }) => id);
  return (
    <Loaded query={letters}>
      {() => (
        <DataTable
          label="Letters"
          rows={rows}
          rowKey={({ id }) => id}
          columns={actions ? [...columns, replayColumn(actions)] : columns}
          {...(actions && { selection: { selected, onChange: setSelected } })}
          more={
            letters.hasNextPage
              ? { load: () => void letters.fetchNextPage(), loading: letters.isFetchingNextPage }
              : undefined
          }
          toolbar={
            actions && chosen.length > 0 ? (
              <>
                <Button size="compact-sm" onClick={() => actions.replay({ ids: chosen })}>
                  Replay {chosen.length} chosen
                </Button>
                <Button
                  size="compact-sm"
                  variant="light"
                  color="red"
                  onClick={() => actions.discard({ ids: chosen }, chosen.length)}
                >
                  Discard {chosen.length} chosen
                </Button>
              </>
            ) : undefined
          }
        />
      )}
    </Loaded>
  );
}

const columns: readonly Column<Letter>[] = [
  {
    id: "event",
    header: "Event",
    value: ({ event_type: type }) => type,
    cell: ({ id, event_type: type }) => (
      <Anchor component={Link} size="sm" to={`/events/${id.split(".")[0] ?? ""}`}>
        {type}
      </Anchor>
    ),
  },
  {
    id: "message",
    header: "Message",
    wideOnly: true,
    value: ({ error }) => error.message,
    cell: ({ error }) => (
      <Text size="sm" lineClamp={1} dir="auto">
        {error.message}
      </Text>
    ),
  },
  {
    id: "correlation",
    header: "Correlation id",
    width: 240,
    wideOnly: true,
    value: ({ correlation_id: id }) => id,
    cell: ({ correlation_id: id }) => (
      <Anchor component={Link} to={`/timeline/${id}`} size="xs" ff="monospace">
        {id}
      </Anchor>
    ),
  },
  {
    id: "dead",
    header: "Given up",
    width: 110,
    value: ({ dead_at: at }) => at,
    cell: ({ dead_at: at }) => <Ago at={at} />,
  },
  {
    id: "replays",
    header: "Replays",
    width: 84,
    align: "right",
    wideOnly: true,
    value: ({ replay_count: count }) => count,
    cell: ({ replay_count: count }) => count,
  },
];

function replayColumn(actions: DeadActions): Column<Letter> {
  return {
    id: "replay",
    header: "Actions",
    width: 136,
    align: "right",
    unsorted: true,
    value: () => null,
    cell: ({ id }) => (
      <Button size="compact-xs" variant="default" onClick={() => actions.replay({ ids: [id] })}>
        Replay this one
      </Button>
    ),
  };
}
