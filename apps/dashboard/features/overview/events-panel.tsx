import { Anchor, Text } from "@mantine/core";
import { IconStack2 } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount } from "../../shared/numbers.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { Panel, PanelFigure, PanelFigures, PanelNote, PanelRow, type PanelState } from "./panel.js";

const shownRows = 5;
/** Older work than this means that a subscriber does not keep up. */
const lateAfterMs = 60_000;

/** Deliveries that were given up, and subscribers that do not keep up. */
export function EventsPanel() {
  useLive({ "events.queues": ["events", "queues"], "events.dead": ["events", "dead"] });
  const queues = useQuery({
    queryKey: ["events", "queues", "overview"],
    queryFn: () => dataOf(api.GET("/api/v1/events/subscriptions", { params: { query: { limit: 100 } } })),
    refetchInterval: 10_000,
  });
  const groups = useQuery({
    queryKey: ["events", "dead", "groups", "overview"],
    queryFn: () => dataOf(api.GET("/api/v1/events/dead/groups", { params: { query: { state: "dead", limit: 100 } } })),
    refetchInterval: 30_000,
  });
  const rows = queues.data ?? [];
  const dead = [...(groups.data ?? [])].sort((left, right) => right.count - left.count);
  const deadCount = dead.reduce((sum, { count }) => sum + count, 0);
  const waiting = rows.reduce((sum, { depth }) => sum + depth.ready + depth.scheduled, 0);
  const oldestMs = Math.max(0, ...rows.map((row) => ageOf(row.oldest_ready_at)));
  const paused = rows.filter((row) => row.paused).length;
  const late = rows.filter((row) => ageOf(row.oldest_ready_at) > lateAfterMs).length;
  const handled = sumByPart(rows.map(({ work }) => work?.per_two_minutes ?? []));
  const handledInAll = handled.reduce((sum, count) => sum + count, 0);
  const worstQueues = [...rows].sort(
    (left, right) =>
      Number(right.paused) - Number(left.paused) ||
      ageOf(right.oldest_ready_at) - ageOf(left.oldest_ready_at) ||
      waitingOf(right) - waitingOf(left),
  );
  const shownDead = Math.min(dead.length, 3);
  return (
    <Panel
      title="Events"
      to={deadCount > 0 ? "/events/dead" : "/events/queues"}
      icon={<IconStack2 size={18} stroke={1.7} aria-hidden />}
      state={queues.data && groups.data && stateOf(deadCount, late, paused)}
      {...(queues.data && groups.data
        ? {
            figure: (
              <PanelFigures>
                <PanelFigure value={formatCount(waiting)} label="waiting" />
                <PanelFigure value={oldestMs === 0 ? "–" : formatSeconds(oldestMs / 1000)} label="oldest job" />
                <PanelFigure value={formatCount(deadCount)} label="dead letters" bad={deadCount > 0} />
              </PanelFigures>
            ),
            trend: (
              <Sparkline
                values={handled}
                stretch
                height={36}
                width={240}
                label={`${formatCount(handledInAll)} deliveries were handled in the last hour`}
              />
            ),
          }
        : {})}
    >
      <Loaded query={groups} skeleton={2} inset>
        {() =>
          dead.slice(0, shownDead).map((group) => (
            <PanelRow
              key={group.fingerprint}
              left={
                <>
                  <Anchor
                    component={Link}
                    size="sm"
                    fw={600}
                    truncate
                    display="block"
                    to={`/events/dead?group=${group.fingerprint}`}
                  >
                    {group.subscriptions.map(subscriberOf).join(", ")}
                  </Anchor>
                  <Cause id={group.sample_id} />
                </>
              }
              right={
                <>
                  <Text size="sm" c="var(--app-bad)" className="figure">
                    {formatCount(group.count)} dead
                  </Text>
                  <Text size="xs" w={76} ta="right" component="div">
                    <Ago at={group.last_dead_at} size="xs" />
                  </Text>
                </>
              }
            />
          ))
        }
      </Loaded>
      <Loaded query={queues} skeleton={shownRows} inset>
        {() =>
          rows.length === 0 ? (
            <PanelNote>Nobody subscribes to events.</PanelNote>
          ) : (
            worstQueues.slice(0, shownRows - shownDead).map((row) => (
              <PanelRow
                key={row.subscriber}
                left={
                  <Anchor component={Link} to="/events/queues" size="sm" c="inherit" truncate display="block">
                    {row.subscriber}
                  </Anchor>
                }
                right={
                  <>
                    <Text size="sm" c={row.paused ? "var(--app-warn)" : "dimmed"} className="figure">
                      {row.paused ? "paused, " : ""}
                      {formatCount(waitingOf(row))} waiting
                    </Text>
                    <Text size="xs" w={76} ta="right" component="div">
                      <Ago at={row.oldest_ready_at} size="xs" />
                    </Text>
                  </>
                }
              />
            ))
          )
        }
      </Loaded>
    </Panel>
  );
}

function stateOf(dead: number, late: number, paused: number): PanelState {
  if (dead > 0) return { tone: "bad", text: dead === 1 ? "1 dead letter" : `${formatCount(dead)} dead letters` };
  if (late > 0) return { tone: "bad", text: `${late} behind` };
  if (paused > 0) return { tone: "warn", text: `${paused} paused` };
  return { tone: "good", text: "keeping up" };
}

/** What one of the letters failed of. */
function Cause({ id }: { readonly id: string }) {
  const letter = useQuery({
    queryKey: ["events", "dead", "letter", id],
    queryFn: () => dataOf(api.GET("/api/v1/events/dead/{id}", { params: { path: { id } } })),
    staleTime: 600_000,
  });
  return (
    <Text size="xs" c="dimmed" truncate dir="auto" mih={18}>
      {letter.data && `${letter.data.error.class}: ${letter.data.error.message}`}
    </Text>
  );
}

/** A subscription is called subscriber/event. */
function subscriberOf(subscription: string): string {
  return subscription.split("/")[0] ?? subscription;
}

function waitingOf({ depth }: { readonly depth: { readonly ready: number; readonly scheduled: number } }): number {
  return depth.ready + depth.scheduled;
}

function ageOf(at: string | null): number {
  return at === null ? 0 : Math.max(0, Date.now() - Date.parse(at));
}

function sumByPart(series: readonly (readonly number[])[]): readonly number[] {
  const length = Math.max(0, ...series.map((parts) => parts.length));
  return Array.from({ length }, (_, part) => series.reduce((sum, parts) => sum + (parts[part] ?? 0), 0));
}
