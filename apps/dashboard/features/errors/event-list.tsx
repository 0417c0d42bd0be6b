import { Anchor, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, pageOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { pairsOf, readPayload } from "./event-payload.js";
import type { IssuePath } from "./issue.js";

type StoredEvent =
  paths["/api/v1/projects/{id}/errors/{fingerprint}/events"]["get"]["responses"]["200"]["content"]["application/json"][number];

interface Row {
  readonly id: string;
  readonly at: string;
  readonly environment: string;
  readonly release: string;
  readonly user: string;
  readonly message: string;
}

/** All events of an issue. */
export function EventList({ path, shown }: { readonly path: IssuePath; readonly shown: string }) {
  const url = useUrlState();
  const events = useInfiniteQuery({
    queryKey: ["errors", path.id, "issue", path.fingerprint, "events"],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/projects/{id}/errors/{fingerprint}/events", {
          params: {
            path,
            query: { sort: "occurred_at_desc", limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    getNextPageParam: ({ next }) => next,
  });
  const rows = useMemo(() => (events.data?.pages ?? []).flatMap(({ items }) => items.map(rowOf)), [events.data]);
  const columns: readonly Column<Row>[] = [
    {
      id: "event",
      header: "Event",
      width: 130,
      unsorted: true,
      value: ({ id }) => id,
      cell: ({ id }) => (
        <Anchor
          component="button"
          type="button"
          size="sm"
          ff="monospace"
          fw={id === shown ? 700 : 400}
          {...(id === shown ? { "aria-current": true as const } : {})}
          onClick={() => url.set({ event: id, tab: null })}
        >
          {id.slice(0, 12)}
        </Anchor>
      ),
    },
    { id: "at", header: "When", width: 120, value: ({ at }) => at, cell: ({ at }) => <Ago at={at} /> },
    {
      id: "message",
      header: "Message",
      wideOnly: true,
      value: ({ message }) => message,
      cell: ({ message }) => (
        <Text size="sm" truncate dir="auto">
          {message}
        </Text>
      ),
    },
    { id: "user", header: "User", width: 150, wideOnly: true, value: ({ user }) => user, cell: ({ user }) => user },
    {
      id: "release",
      header: "Release",
      width: 120,
      value: ({ release }) => release,
      cell: ({ release }) => release,
    },
    {
      id: "environment",
      header: "Environment",
      width: 120,
      wideOnly: true,
      value: ({ environment }) => environment,
      cell: ({ environment }) => environment,
    },
  ];
  return (
    <Loaded query={events}>
      {() => (
        <DataTable
          label="Events of the issue"
          rows={rows}
          rowKey={({ id }) => id}
          columns={columns}
          more={
            events.hasNextPage
              ? { load: () => void events.fetchNextPage(), loading: events.isFetchingNextPage }
              : undefined
          }
        />
      )}
    </Loaded>
  );
}

function rowOf({ event_id: id, occurred_at: at, environment, description, payload: text }: StoredEvent): Row {
  const payload = readPayload(text);
  const user = new Map(pairsOf(payload.user));
  return {
    id,
    at,
    environment,
    release: payload.release ?? "",
    user: user.get("email") ?? user.get("username") ?? user.get("id") ?? user.get("ip_address") ?? "",
    message: description,
  };
}
