import { Anchor, Code, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useParams } from "react-router";
import { api, pageOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

type Release =
  paths["/api/v1/projects/{id}/releases"]["get"]["responses"]["200"]["content"]["application/json"][number];

/** The releases of a project, and what each of them brought. */
export function ReleaseList() {
  const project = Number(useParams()["project"]);
  const releases = useInfiniteQuery({
    queryKey: ["errors", project, "releases"],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/projects/{id}/releases", {
          params: { path: { id: project }, query: { limit: 100, ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: ({ next }) => next,
    refetchInterval: 60_000,
  });
  const rows = useMemo(() => releases.data?.pages.flatMap(({ items }) => items) ?? [], [releases.data]);
  const columns = useMemo(() => columnsFor(project), [project]);
  return (
    <Page title="Releases" subtitle="Which version brought which errors">
      <Loaded query={releases} skeleton={8}>
        {() =>
          rows.length === 0 ? (
            <Empty title="No release has reported yet">
              A release appears with its first event. SDKs are told it where they are set up:
              <Code block mt="sm" ta="left">{`Sentry.init({ dsn: "…", release: "shop@1.4.2" });`}</Code>
            </Empty>
          ) : (
            <DataTable
              label="Releases"
              rows={rows}
              rowKey={({ version }) => version}
              columns={columns}
              more={
                releases.hasNextPage
                  ? { load: () => void releases.fetchNextPage(), loading: releases.isFetchingNextPage }
                  : undefined
              }
            />
          )
        }
      </Loaded>
    </Page>
  );
}

function columnsFor(project: number): readonly Column<Release>[] {
  const search = (term: string): string => `/projects/${project}/errors?range=30d&query=${encodeURIComponent(term)}`;
  return [
    {
      id: "release",
      header: "Release",
      value: ({ version }) => version,
      cell: ({ version }) => (
        <Anchor component={Link} to={search(`release:"${version}"`)} size="sm" fw={600} dir="auto">
          {version}
        </Anchor>
      ),
    },
    {
      id: "new_issues",
      header: "New issues",
      width: 110,
      align: "right",
      value: ({ new_issues: count }) => count ?? null,
      cell: ({ version, new_issues: count }) =>
        count ? (
          <Anchor component={Link} to={search(`firstRelease:"${version}"`)} size="sm">
            {count}
          </Anchor>
        ) : (
          <Text size="sm" c="dimmed">
            0
          </Text>
        ),
    },
    {
      id: "first_event",
      header: "First event",
      width: 130,
      wideOnly: true,
      value: ({ first_event: at }) => at ?? null,
      cell: ({ first_event: at }) => <Ago at={at ?? null} />,
    },
    {
      id: "last_event",
      header: "Last event",
      width: 130,
      value: ({ last_event: at }) => at ?? null,
      cell: ({ last_event: at }) => <Ago at={at ?? null} />,
    },
    {
      id: "released",
      header: "Released",
      width: 130,
      wideOnly: true,
      value: ({ date_released: at }) => at ?? null,
      cell: ({ date_released: at }) => <Ago at={at ?? null} />,
    },
    {
      id: "commits",
      header: "Commits",
      width: 90,
      align: "right",
      wideOnly: true,
      value: ({ commits }) => commits?.length ?? 0,
      cell: ({ commits }) => commits?.length ?? 0,
    },
  ];
}
