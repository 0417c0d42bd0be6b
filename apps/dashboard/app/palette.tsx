import "@mantine/spotlight/styles.css";
import { Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { createSpotlight, Spotlight, type SpotlightActionGroupData } from "@mantine/spotlight";
import {
  IconBolt,
  IconBug,
  IconGitBranch,
  IconHash,
  IconPackages,
  IconRoute,
  IconSearch,
  IconTimeline,
  IconTopologyStar3,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useNavigate } from "react-router";
import { api, dataOf } from "../api/client.js";
import { allows, type Session } from "../api/session.js";
import { useProjectId } from "../shared/project.js";
import { useRangeSearch } from "../shared/time-range.js";
import { navigationGroups } from "./navigation.js";
import { readPastedId } from "./pasted-id.js";

const [store, palette] = createSpotlight();
const maxOfAKind = 6;
/** In how many projects an issue is looked for. */
const maxProjects = 10;
const size = 18;

/** Jumps to any page, project, issue, experience, event type, relay or repository, or to whatever a pasted id names. */
export function Palette({
  session,
  opened,
  onClose,
}: {
  readonly session: Session;
  readonly opened: boolean;
  readonly onClose: () => void;
}) {
  const [query, setQuery] = useState("");
  useEffect(() => {
    if (opened) palette.open();
    else palette.close();
  }, [opened]);
  const groups = useGroups(session, query.trim(), opened);
  return (
    <Spotlight
      store={store}
      shortcut={null}
      query={query}
      onQueryChange={setQuery}
      onSpotlightClose={() => {
        setQuery("");
        onClose();
      }}
      actions={groups}
      // The groups are found for the query already.
      filter={(_query, actions) => actions}
      nothingFound={
        <Text size="sm" c="dimmed">
          Nothing by that name. Ids of journeys, events and errors, and npubs, can be pasted.
        </Text>
      }
      scrollable
      maxHeight={420}
      searchProps={{
        "aria-label": "Search or jump to",
        placeholder: "Page, project, issue, experience, event type, relay, repository, or an id …",
        leftSection: <IconSearch size={size} />,
      }}
    />
  );
}

function useGroups(session: Session, query: string, opened: boolean): SpotlightActionGroupData[] {
  const navigate = useNavigate();
  const project = useProjectId();
  const range = useRangeSearch();
  const [debounced] = useDebouncedValue(query, 150);
  const mayReadErrors = allows(session, "errors:read");
  const mayReadEvents = allows(session, "events:read");
  const mayReadRelay = allows(session, "relay:read");
  const projects = useQuery({
    queryKey: ["projects"],
    queryFn: () => dataOf(api.GET("/api/v1/projects")),
    enabled: opened && (mayReadErrors || allows(session, "errors:admin")),
  });
  // The project of the page first.
  const projectIds = (projects.data ?? [])
    .map(({ id }) => id)
    .sort((left, right) => Number(right === project) - Number(left === project) || left - right)
    .slice(0, maxProjects);
  const issues = useQuery({
    queryKey: ["palette", "issues", projectIds, debounced],
    queryFn: async () => {
      const found = await Promise.all(
        projectIds.map((id) =>
          dataOf(
            api.GET("/api/v1/projects/{id}/errors", {
              params: { path: { id }, query: { query: debounced, limit: maxOfAKind, query_period: "30d" } },
            }),
          ),
        ),
      );
      return found.flat().slice(0, maxOfAKind);
    },
    enabled: opened && mayReadErrors && debounced !== "" && projectIds.length > 0,
    retry: false,
  });
  const definitions = useQuery({
    queryKey: ["experience", "definitions"],
    queryFn: () => dataOf(api.GET("/api/v1/experience/definitions")),
    enabled: opened && allows(session, "experience:read", "experience:admin"),
  });
  const types = useQuery({
    queryKey: ["events", "types"],
    queryFn: () => dataOf(api.GET("/api/v1/events/types", { params: { query: { limit: 100 } } })),
    enabled: opened && mayReadEvents,
  });
  const repositories = useQuery({
    queryKey: ["palette", "repositories"],
    queryFn: () => dataOf(api.GET("/api/v1/relay/repositories", { params: { query: { limit: 100 } } })),
    enabled: opened && mayReadRelay,
  });
  const relays = useQuery({
    queryKey: ["palette", "relays"],
    queryFn: () => dataOf(api.GET("/api/v1/relay/peers", { params: { query: { limit: 100 } } })),
    enabled: opened && mayReadRelay,
  });

  const go = (path: string) => () => void navigate(path);
  const matches = (...texts: readonly (string | null | undefined)[]): boolean =>
    query
      .toLowerCase()
      .split(/\s+/)
      .every((word) => texts.some((text) => (text ?? "").toLowerCase().includes(word)));
  const pasted = readPastedId(query);
  const groups: SpotlightActionGroupData[] = [
    {
      group: "This id",
      actions: [
        ...(pasted.correlation
          ? [
              {
                id: "timeline",
                label: "Timeline",
                description: `Everything that carried ${query}`,
                leftSection: <IconTimeline size={size} />,
                onClick: go(`/timeline/${encodeURIComponent(query)}`),
              },
            ]
          : []),
        ...(pasted.domainEvent && mayReadEvents
          ? [
              {
                id: "event",
                label: "Event",
                description: `Who got the event ${query}`,
                leftSection: <IconBolt size={size} />,
                onClick: go(`/events/${query}`),
              },
            ]
          : []),
        ...(pasted.errorEvent && mayReadErrors
          ? [
              {
                id: "error-event",
                label: "Error event",
                description: `The issue with the event ${query}`,
                leftSection: <IconHash size={size} />,
                onClick: go(`/projects/${project}/errors?query=${query}`),
              },
            ]
          : []),
        ...(pasted.npub
          ? [
              {
                id: "npub",
                label: "Repositories",
                description: `Announced by ${query}`,
                leftSection: <IconGitBranch size={size} />,
                onClick: go(`/relays/repositories?owner=${query}`),
              },
            ]
          : []),
      ],
    },
    {
      group: "Pages",
      actions: navigationGroups(session, project)
        .flatMap(({ entries, label: group }) => entries.map((entry) => ({ ...entry, group })))
        .filter(({ label, group }) => matches(label, group))
        .map(({ to, label, icon: Icon }) => ({
          id: to,
          label,
          leftSection: <Icon size={size} />,
          onClick: go(`${to}${range}`),
        })),
    },
    {
      group: "Issues",
      actions: (query === "" ? [] : (issues.data ?? [])).map((issue) => ({
        id: `issue-${issue.fingerprint}`,
        label: issue.name,
        description: `${issue.short_id ?? ""} · ${issue.description}`,
        leftSection: <IconBug size={size} />,
        onClick: go(`/projects/${issue.project_id}/errors/${issue.fingerprint}${range}`),
      })),
    },
    {
      group: "Experiences",
      actions: (definitions.data?.definitions ?? [])
        .filter(({ id }) => query !== "" && matches(id))
        .slice(0, maxOfAKind)
        .map(({ id }) => ({
          id: `experience-${id}`,
          label: id,
          leftSection: <IconRoute size={size} />,
          onClick: go(`/experiences/${id}`),
        })),
    },
    {
      group: "Event types",
      actions: (types.data ?? [])
        .filter(({ type, description }) => query !== "" && matches(type, description))
        .slice(0, maxOfAKind)
        .map(({ type, description }) => ({
          id: `type-${type}`,
          label: type,
          description: description ?? "",
          leftSection: <IconBolt size={size} />,
          onClick: go(`/events/catalogue?type=${encodeURIComponent(type)}`),
        })),
    },
    {
      group: "Repositories",
      actions: (repositories.data ?? [])
        .filter(({ name, identifier, npub }) => query !== "" && matches(name, identifier, npub))
        .slice(0, maxOfAKind)
        .map((row) => ({
          id: `repository-${row.address}`,
          label: row.name ?? row.identifier,
          description: row.npub,
          leftSection: <IconGitBranch size={size} />,
          onClick: go(`/relays/repositories/${row.npub}/${encodeURIComponent(row.identifier)}`),
        })),
    },
    {
      group: "Relays",
      actions: (relays.data ?? [])
        .filter(({ url }) => query !== "" && matches(url))
        .slice(0, maxOfAKind)
        .map(({ url, status }) => ({
          id: `relay-${url}`,
          label: url.replace(/^wss?:\/\//, ""),
          description: status.replaceAll("_", " "),
          leftSection: <IconTopologyStar3 size={size} />,
          onClick: go(`/relays/peers/${encodeURIComponent(url)}${range}`),
        })),
    },
    {
      group: "Projects",
      actions: (projects.data ?? [])
        .filter(({ name, slug }) => matches(name, slug, "project"))
        .slice(0, maxOfAKind)
        .map(({ id, name }) => ({
          id: `project-${id}`,
          label: name,
          description: "Project",
          leftSection: <IconPackages size={size} />,
          onClick: go(`/projects/${id}/errors${range}`),
        })),
    },
  ];
  return groups.filter(({ actions }) => actions.length > 0);
}
