import { Anchor, Text } from "@mantine/core";
import { IconStack2 } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { Panel, PanelFigure, PanelNote, PanelRow } from "./panel.js";

const shownRows = 5;
/** Older work than this means that a subscriber does not keep up. */
const lateAfterMs = 60_000;

/** Whether subscribers keep up; the oldest work stands first. */
export function QueuesPanel() {
  useLive({ "events.queues": ["events", "queues"] });
  const queues = useQuery({
    queryKey: ["events", "queues"],
    queryFn: () => dataOf(api.GET("/api/v1/events/subscriptions", { params: { query: { limit: 100 } } })),
    refetchInterval: 10_000,
  });
  const rows = queues.data ?? [];
  const waiting = rows.reduce((sum, { depth }) => sum + depth.ready + depth.scheduled, 0);
  const running = rows.reduce((sum, { depth }) => sum + depth.running, 0);
  const paused = rows.filter((row) => row.paused).length;
  const late = rows.filter(
    ({ oldest_ready_at: at }) => at !== null && Date.now() - Date.parse(at) > lateAfterMs,
  ).length;
  const worst = [...rows].sort(
    (left, right) =>
      Number(right.paused) - Number(left.paused) ||
      ageOf(right.oldest_ready_at) - ageOf(left.oldest_ready_at) ||
      right.depth.ready + right.depth.scheduled - left.depth.ready - left.depth.scheduled,
  );
  return (
    <Panel
      title="Queues"
      to="/events/queues"
      icon={<IconStack2 size={18} stroke={1.7} aria-hidden />}
      state={
        queues.data &&
        (paused > 0
          ? { tone: "warn", text: `${paused} paused` }
          : late > 0
            ? { tone: "bad", text: `${late} behind` }
            : { tone: "good", text: "keeping up" })
      }
      {...(queues.data
        ? {
            figure: <PanelFigure value={formatCount(waiting)} label="deliveries wait" />,
            trend: (
              <Text size="xs" c="dimmed" ta="right">
                {formatCount(running)} running · {rows.length} subscribers
              </Text>
            ),
          }
        : {})}
    >
      <Loaded query={queues} skeleton={shownRows} inset>
        {() =>
          rows.length === 0 ? (
            <PanelNote>Nobody subscribes to events.</PanelNote>
          ) : (
            worst.slice(0, shownRows).map(({ subscriber, depth, oldest_ready_at: oldest, paused: isPaused }) => (
              <PanelRow
                key={subscriber}
                left={
                  <Anchor component={Link} to="/events/queues" size="sm" c="inherit" truncate display="block">
                    {subscriber}
                  </Anchor>
                }
                right={
                  <>
                    <Text size="sm" c={isPaused ? "var(--app-warn)" : "dimmed"} className="figure">
                      {isPaused ? "paused, " : ""}
                      {formatCount(depth.ready + depth.scheduled)} waiting
                    </Text>
                    <Text size="xs" w={64} ta="right" component="div">
                      <Ago at={oldest} size="xs" />
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

function ageOf(at: string | null): number {
  return at === null ? 0 : Date.now() - Date.parse(at);
}
