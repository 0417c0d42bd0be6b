import { Anchor, Button, Group, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { Link } from "react-router";
import { api, pageOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { useHeldRows } from "../../shared/held-rows.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { useTimeRange } from "../../shared/time-range.js";
import { useUrlState } from "../../shared/url-state.js";
import { SettlementBadge } from "./settlement-badge.js";

const filters = [
  { name: "type", label: "Event type" },
  { name: "subscription", label: "Subscription" },
  { name: "correlation_id", label: "Correlation id" },
] as const;

type Entry = paths["/api/v1/events/log"]["get"]["responses"]["200"]["content"]["application/json"][number];

const keyOf = (row: Entry): string =>
  `${row.kind}.${row.event_id}.${row.delivery_id ?? ""}.${row.attempt ?? 0}.${row.at}`;

const columns: readonly Column<Entry>[] = [
  { id: "at", header: "When", width: 112, unsorted: true, value: ({ at }) => at, cell: ({ at }) => <Ago at={at} /> },
  {
    id: "event",
    header: "Event",
    width: "34%",
    unsorted: true,
    value: ({ event_type: type }) => type,
    cell: (row) => (
      <Anchor component={Link} size="sm" to={`/events/${row.event_id}`}>
        {row.event_type}
      </Anchor>
    ),
  },
  {
    id: "what",
    header: "What happened",
    unsorted: true,
    value: (row) =>
      row.kind === "published"
        ? `published: ${(row.decisions ?? []).map(({ decision }) => decision).join(", ")}`
        : `${row.subscription ?? ""}: ${row.settlement ?? ""}`,
    cell: (row) => <Happening row={row} />,
  },
  {
    id: "took",
    header: "Took",
    width: 84,
    align: "right",
    wideOnly: true,
    unsorted: true,
    value: ({ duration_s: seconds }) => seconds ?? null,
    cell: (row) => (row.kind === "attempt" ? formatSeconds(row.duration_s) : ""),
  },
  {
    id: "correlation",
    header: "Correlation id",
    width: 240,
    hidden: true,
    unsorted: true,
    value: ({ correlation_id: id }) => id,
    cell: ({ correlation_id: id }) => (
      <Anchor component={Link} to={`/timeline/${id}`} size="xs" ff="monospace">
        {id}
      </Anchor>
    ),
  },
];

function Happening({ row }: { readonly row: Entry }) {
  if (row.kind === "published")
    return (
      <Group gap={6}>
        <Text size="sm">published</Text>
        {(row.decisions ?? []).map(({ subscription, decision }) => (
          <SettlementBadge key={`${subscription}.${decision}`} value={decision} />
        ))}
      </Group>
    );
  return (
    <Group gap={6}>
      <Text size="sm">{row.subscription?.split("/")[0]}</Text>
      <SettlementBadge value={row.settlement ?? "done"} />
      {row.error && (
        <Text size="xs" c="dimmed" lineClamp={1} dir="auto">
          {row.error.message}
        </Text>
      )}
    </Group>
  );
}

/** Who got what, why not, and how long it took. */
export function EventLog() {
  const url = useUrlState();
  const query = Object.fromEntries(filters.flatMap(({ name }) => (url.get(name) ? [[name, url.get(name)]] : [])));
  const range = useTimeRange();
  const listKey = ["events", "log", query, range.key];
  const log = useInfiniteQuery({
    queryKey: listKey,
    initialPageParam: "",
    queryFn: async ({ pageParam }) => {
      const [since = "", cursor] = pageParam === "" ? [range.since()] : pageParam.split(" ");
      const page = await pageOf(
        api.GET("/api/v1/events/log", {
          params: {
            query: {
              ...query,
              limit: 100,
              since,
              ...(range.until === undefined ? {} : { until: range.until }),
              ...(cursor === undefined ? {} : { cursor }),
            },
          },
        }),
      );
      return { ...page, since };
    },
    // A cursor holds for the very filter that it was made with.
    getNextPageParam: ({ next, since }) => (next === null ? null : `${since} ${next}`),
    refetchInterval: 20_000,
  });
  const rows = useMemo(() => log.data?.pages.flatMap(({ items }) => items) ?? [], [log.data]);
  const held = useHeldRows(rows, keyOf, JSON.stringify(listKey));
  return (
    <Page title="Event log" subtitle="What was published, who got it, and how handling it ended">
      <Loaded query={log} skeleton={10}>
        {() => (
          <DataTable
            label="Event log"
            rows={held.shown}
            rowKey={keyOf}
            columns={columns}
            news={held}
            empty={
              <Empty title="Nothing was logged that matches">
                A time range further back may show more; what is kept depends on the definition of each event.
              </Empty>
            }
            more={
              log.hasNextPage ? { load: () => void log.fetchNextPage(), loading: log.isFetchingNextPage } : undefined
            }
            toolbar={<Filters key={JSON.stringify(query)} />}
          />
        )}
      </Loaded>
    </Page>
  );
}

function Filters() {
  const url = useUrlState();
  const [values, setValues] = useState<Readonly<Record<string, string>>>(
    Object.fromEntries(filters.map(({ name }) => [name, url.get(name)])),
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    url.set(values);
  };
  return (
    <form onSubmit={submit}>
      <Group gap="xs">
        {filters.map(({ name, label }) => (
          <TextInput
            key={name}
            aria-label={label}
            placeholder={label}
            size="xs"
            w={{ base: "100%", sm: 200 }}
            value={values[name] ?? ""}
            onChange={(event) => setValues({ ...values, [name]: event.currentTarget.value })}
          />
        ))}
        <Button type="submit" size="xs" variant="default">
          Filter
        </Button>
      </Group>
    </form>
  );
}
