import {
  ActionIcon,
  Anchor,
  Button,
  Group,
  MultiSelect,
  Paper,
  SegmentedControl,
  Table,
  Text,
  Tooltip,
} from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconFocusCentered, IconMinus, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { useUrlState } from "../../shared/url-state.js";
import {
  type Graph,
  type GraphEvent,
  type LeadsTo,
  layOut,
  nodeHeight,
  nodeWidth,
  reachedFrom,
  readGraph,
  readLeadsTo,
} from "./graph.js";
import { usePanZoom } from "./pan-zoom.js";

/** Which module tells what, and who listens. */
export function GraphPage() {
  const url = useUrlState();
  const contexts = url.get("contexts").split(",").filter(Boolean);
  // A drawing of that size cannot be read on a phone.
  const isNarrow = useMediaQuery("(max-width: 48em)") ?? false;
  const asList = url.get("view", isNarrow ? "list" : "graph") === "list";
  const graph = useQuery({
    queryKey: ["events", "graph"],
    queryFn: async () =>
      readGraph(await dataOf(api.GET("/api/v1/events/graph", { params: { query: { format: "json" } } }))),
  });
  const types = useQuery({
    queryKey: ["events", "types"],
    queryFn: () => dataOf(api.GET("/api/v1/events/types", { params: { query: { limit: 100 } } })),
  });
  const leadsTo = useMemo(() => readLeadsTo(types.data ?? []), [types.data]);
  return (
    <Page title="Graph" subtitle="Which module tells what, and who listens. A dashed line has a condition.">
      <Loaded query={graph} skeleton={10}>
        {(events) => {
          const all = [
            ...new Set(
              events.flatMap(({ context, subscribers }) => [context, ...subscribers.map((one) => one.context)]),
            ),
          ].sort();
          const shown = events.filter(
            ({ context, subscribers }) =>
              contexts.length === 0 ||
              contexts.includes(context) ||
              subscribers.some((subscriber) => contexts.includes(subscriber.context)),
          );
          if (events.length === 0) return <Empty title="No event is defined" />;
          return (
            <>
              <Group gap="sm">
                <MultiSelect
                  aria-label="Contexts"
                  placeholder={contexts.length === 0 ? "All contexts" : ""}
                  size="xs"
                  clearable
                  w={{ base: "100%", sm: 360 }}
                  data={all}
                  value={contexts}
                  onChange={(value) => url.set({ contexts: value.join(",") })}
                />
                <SegmentedControl
                  size="xs"
                  aria-label="Show as"
                  data={[
                    { value: "graph", label: "Graph" },
                    { value: "list", label: "List" },
                  ]}
                  value={asList ? "list" : "graph"}
                  onChange={(view) => url.set({ view })}
                />
              </Group>
              {asList ? <List events={shown} leadsTo={leadsTo} /> : <Drawing events={shown} leadsTo={leadsTo} />}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

interface GraphProps {
  readonly events: readonly GraphEvent[];
  readonly leadsTo: LeadsTo;
}

function Drawing({ events, leadsTo }: GraphProps) {
  const url = useUrlState();
  const chosen = url.get("node");
  const graph = layOut(events);
  const reached = chosen === "" ? undefined : reachedFrom(events, chosen, leadsTo);
  const view = usePanZoom(graph.width, graph.height);
  const choose = (id: string): void => url.set({ node: chosen === id ? null : id }, { replace: true });
  const event = events.find(({ type }) => `event ${type}` === chosen);
  return (
    <Paper withBorder style={{ position: "relative", overflow: "hidden" }}>
      <Group gap={4} style={{ position: "absolute", top: 10, right: 10, zIndex: 1 }}>
        <ZoomButton label="Zoom in" onClick={() => view.zoom(1.25)} icon={<IconPlus size={15} />} />
        <ZoomButton label="Zoom out" onClick={() => view.zoom(0.8)} icon={<IconMinus size={15} />} />
        <ZoomButton label="Show all" onClick={view.reset} icon={<IconFocusCentered size={15} />} />
      </Group>
      {event && (
        <Group gap="xs" p="sm" style={{ borderBottom: "1px solid var(--mantine-color-default-border)" }} pr={120}>
          <Text size="sm">
            <b>{event.type}</b> reaches{" "}
            {event.subscribers.length === 0
              ? "nobody"
              : event.subscribers.map(({ subscriber }) => subscriber).join(", ")}
            {leadsTo.has(event.type) && (
              <>
                {" "}
                and leads to <b>{leadsTo.get(event.type)?.join(", ")}</b>
              </>
            )}
          </Text>
          <Button
            component={Link}
            size="compact-xs"
            variant="light"
            to={`/events/catalogue?type=${encodeURIComponent(event.type)}`}
          >
            In the catalogue
          </Button>
        </Group>
      )}
      <div
        ref={view.frame}
        onPointerDown={view.onPointerDown}
        style={{ height: Math.min(graph.height, 1_400), cursor: "grab", touchAction: "none" }}
      >
        <svg
          width="100%"
          height="100%"
          viewBox={view.viewBox}
          preserveAspectRatio="xMidYMin meet"
          aria-label="Graph of events and subscribers; the list shows the same"
        >
          <Edges graph={graph} reached={reached} />
          <Nodes graph={graph} chosen={chosen} reached={reached} onChoose={choose} />
        </svg>
      </div>
    </Paper>
  );
}

function ZoomButton({
  label,
  onClick,
  icon,
}: {
  readonly label: string;
  readonly onClick: () => void;
  readonly icon: React.ReactNode;
}) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="default" size={28} aria-label={label} onClick={onClick}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}

function Edges({ graph, reached }: { readonly graph: Graph; readonly reached: ReadonlySet<string> | undefined }) {
  const places = new Map(graph.nodes.map((node) => [node.id, node]));
  return graph.edges.map(({ from, to, conditional }) => {
    const [start, end] = [places.get(from), places.get(to)];
    if (!start || !end) return null;
    const isOn = reached === undefined || (reached.has(from) && reached.has(to));
    const x1 = start.x + nodeWidth;
    const y1 = start.y + nodeHeight / 2;
    const y2 = end.y + nodeHeight / 2;
    const bend = (end.x - x1) / 2;
    return (
      <path
        key={`${from} ${to}`}
        d={`M ${x1} ${y1} C ${x1 + bend} ${y1}, ${end.x - bend} ${y2}, ${end.x} ${y2}`}
        fill="none"
        stroke={isOn && reached ? "var(--app-chart)" : "var(--app-quiet-mark)"}
        strokeWidth={isOn && reached ? 2 : 1.3}
        strokeOpacity={isOn ? 0.9 : 0.18}
        {...(conditional ? { strokeDasharray: "5 4" } : {})}
      />
    );
  });
}

function Nodes({
  graph,
  chosen,
  reached,
  onChoose,
}: {
  readonly graph: Graph;
  readonly chosen: string;
  readonly reached: ReadonlySet<string> | undefined;
  readonly onChoose: (id: string) => void;
}) {
  return graph.nodes.map(({ id, kind, label, x, y }) => {
    if (kind === "context")
      return (
        <text key={id} x={x} y={y + 19} fontSize={12.5} fontWeight={650} fill="var(--mantine-color-dimmed)">
          {label}
        </text>
      );
    const isOn = reached === undefined || reached.has(id);
    return (
      // biome-ignore lint/a11y/useSemanticElements: an SVG has no buttons of its own.
      <g
        key={id}
        role="button"
        tabIndex={0}
        aria-pressed={id === chosen}
        aria-label={`${kind} ${id.slice(kind.length + 1)}`}
        style={{ cursor: "pointer" }}
        opacity={isOn ? 1 : 0.35}
        onClick={() => onChoose(id)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          onChoose(id);
        }}
      >
        <rect
          x={x}
          y={y}
          width={nodeWidth}
          height={nodeHeight}
          rx={kind === "event" ? 17 : 6}
          fill={id === chosen ? "var(--mantine-primary-color-light)" : "var(--app-ground)"}
          stroke={id === chosen ? "var(--app-chart)" : "var(--mantine-color-default-border)"}
          strokeWidth={id === chosen ? 2 : 1.2}
        />
        <text x={x + 14} y={y + 22} fontSize={13} fill="var(--mantine-color-text)">
          {label.length > 32 ? `${label.slice(0, 31)}…` : label}
        </text>
      </g>
    );
  });
}

/** The same in words. */
function List({ events, leadsTo }: GraphProps) {
  return (
    <Paper withBorder>
      <Table fz="sm" aria-label="Events and who listens">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Event</Table.Th>
            <Table.Th w={170} className="wide-only">
              Published by
            </Table.Th>
            <Table.Th>Listened to by</Table.Th>
            <Table.Th w={230} className="wide-only">
              Leads to
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {events.map(({ type, context, subscribers }) => (
            <Table.Tr key={type}>
              <Table.Td>
                <Anchor component={Link} to={`/events/catalogue?type=${encodeURIComponent(type)}`} size="sm">
                  {type}
                </Anchor>
              </Table.Td>
              <Table.Td className="wide-only">{context}</Table.Td>
              <Table.Td>
                {subscribers.length === 0
                  ? "nobody"
                  : subscribers.map(({ subscriber, condition }) => (
                      <div key={subscriber}>
                        {subscriber}
                        {condition && (
                          <Text span size="xs" c="dimmed">
                            {" "}
                            only if {condition}
                          </Text>
                        )}
                      </div>
                    ))}
              </Table.Td>
              <Table.Td className="wide-only">{leadsTo.get(type)?.join(", ") ?? "–"}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}
