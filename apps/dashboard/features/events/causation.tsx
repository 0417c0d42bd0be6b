import { Anchor, Badge, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { ApiError, api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { Loaded } from "../../shared/states.js";
import { type EventNode, readEventNode } from "./event-node.js";
import { SettlementBadge } from "./settlement-badge.js";

/** Where an event stands among those that led to it and those that came of it. */
export function Causation({ event }: { readonly event: EventNode }) {
  const tree = useQuery({
    queryKey: ["events", "causation", event.id],
    queryFn: () => readFromTheRoot(event),
  });
  return (
    <Card title="What led to it, and what came of it">
      <Loaded query={tree} skeleton={2}>
        {({ root, isWhole }) => (
          <Stack gap="xs">
            {!isWhole && (
              <Text size="xs" c="dimmed">
                What led to the first of these is not known any more.
              </Text>
            )}
            {root.id === event.id && event.children.length === 0 && (
              <Text size="sm" c="dimmed">
                No event led to it, and none came of it.
              </Text>
            )}
            <Tree nodes={[root]} here={event.id} label="Causation" />
          </Stack>
        )}
      </Loaded>
    </Card>
  );
}

const maxSteps = 32;

/** The first event that led to it, with everything that came of that; as far back as is known. */
async function readFromTheRoot(event: EventNode): Promise<{ readonly root: EventNode; readonly isWhole: boolean }> {
  let root = event;
  const seen = new Set([event.id]);
  for (let step = 0; root.causationId !== "" && step < maxSteps; step++) {
    if (seen.has(root.causationId)) return { root, isWhole: true };
    const before = await readEvent(root.causationId);
    if (before === undefined) return { root, isWhole: false };
    root = before;
    seen.add(root.id);
  }
  return { root, isWhole: root.causationId === "" };
}

async function readEvent(id: string): Promise<EventNode | undefined> {
  try {
    return readEventNode(
      await dataOf(api.GET("/api/v1/events/why/{event_id}", { params: { path: { event_id: id } } })),
    );
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

function Tree({
  nodes,
  here,
  label,
}: {
  readonly nodes: readonly EventNode[];
  readonly here: string;
  readonly label?: string;
}) {
  return (
    <ul aria-label={label} style={{ listStyle: "none", margin: 0, paddingLeft: 0 }}>
      {nodes.map((node) => (
        <li
          key={node.id}
          {...(node.id === here ? { "aria-current": "true" as const } : {})}
          style={{
            paddingLeft: 14,
            marginBottom: 6,
            borderLeft: `2px solid ${node.id === here ? "var(--app-chart)" : "var(--mantine-color-default-border)"}`,
          }}
        >
          <Group gap="4px 8px">
            {node.id === here ? (
              <>
                <Text size="sm" fw={650}>
                  {node.type}
                </Text>
                <Badge size="xs" variant="light">
                  this event
                </Badge>
              </>
            ) : (
              <Anchor component={Link} to={`/events/${node.id}`} size="sm" fw={600}>
                {node.type || node.id}
              </Anchor>
            )}
            {node.subscriptions.map(({ name, outcome }) => (
              <Group key={name} gap={4} wrap="nowrap">
                <Text size="xs" c="dimmed">
                  {name.split("/")[0]}
                </Text>
                <SettlementBadge value={outcome} />
              </Group>
            ))}
          </Group>
          {node.children.length > 0 && (
            <div style={{ marginTop: 6 }}>
              <Tree nodes={node.children} here={here} />
            </div>
          )}
        </li>
      ))}
    </ul>
  );
}
