import { Anchor, Text } from "@mantine/core";
import { IconTopologyStar3 } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount } from "../../shared/numbers.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useRangeSearch, useTimeRange } from "../../shared/time-range.js";
import { connectedOver } from "./connected-over.js";
import { Panel, PanelFigure, PanelFigures, PanelNote, PanelRow, type PanelState } from "./panel.js";

const shownRows = 5;
/** Of more relays the trend shows the worst ones. */
const maxInTrend = 10;
const parts = 48;

/** Whether the relay has what others have; those that are behind stand first. */
export function RelaysPanel() {
  const range = useTimeRange();
  const rangeSearch = useRangeSearch();
  useLive({ "relay.peers": ["relay", "peers"] });
  const status = useQuery({
    queryKey: ["relay", "peers", "status"],
    queryFn: () => dataOf(api.GET("/api/v1/relay/status")),
    refetchInterval: 10_000,
  });
  const peers = useQuery({
    queryKey: ["relay", "peers", "overview"],
    queryFn: () => dataOf(api.GET("/api/v1/relay/peers", { params: { query: { limit: 100 } } })),
    refetchInterval: 10_000,
  });
  const worst = [...(peers.data ?? [])].sort(
    (left, right) =>
      Number(isConnected(left.status)) - Number(isConnected(right.status)) || right.failures - left.failures,
  );
  const watched = worst.slice(0, maxInTrend);
  const trend = useQuery({
    queryKey: ["relay", "overview-trend", range.key, watched.map(({ url }) => url).sort()],
    enabled: watched.length > 0,
    queryFn: async () => {
      const from = range.since();
      const to = range.until ?? new Date().toISOString();
      const histories = await Promise.all(
        watched.map(async ({ url, status: now }) => ({
          now,
          happenings: await dataOf(
            api.GET("/api/v1/relay/peers/{url}/transitions", {
              params: { path: { url }, query: { from, to } },
            }),
          ),
        })),
      );
      return connectedOver(histories, Date.parse(from), Date.parse(to), parts);
    },
    refetchInterval: 60_000,
    placeholderData: (previous) => previous,
  });
  const counts = status.data?.peers;
  return (
    <Panel
      title="Relays"
      to="/relays/peers"
      icon={<IconTopologyStar3 size={18} stroke={1.7} aria-hidden />}
      state={counts && stateOf(counts)}
      {...(counts
        ? {
            figure: (
              <PanelFigures>
                <PanelFigure
                  value={`${formatCount(counts.completely_synced)} of ${formatCount(counts.total)}`}
                  label="in sync"
                />
                <PanelFigure value={formatCount(counts.by_status.syncing)} label="syncing" />
                <PanelFigure value={formatCount(counts.by_health.degraded)} label="degraded" />
                <PanelFigure value={formatCount(counts.by_health.dead)} label="dead" bad={counts.by_health.dead > 0} />
              </PanelFigures>
            ),
            trend: trend.data && (
              <Sparkline
                values={trend.data}
                most={watched.length}
                stretch
                height={36}
                width={240}
                label={`Relays that were connected in ${range.within}: ${trend.data.at(-1)} of ${watched.length} at its end`}
              />
            ),
          }
        : {})}
    >
      <Loaded query={peers} skeleton={3} inset>
        {(rows) =>
          rows.length === 0 ? (
            <PanelNote>No other relay is named by what is announced here.</PanelNote>
          ) : (
            worst.slice(0, shownRows).map((peer) => (
              <PanelRow
                key={peer.url}
                left={
                  <Anchor
                    component={Link}
                    to={`/relays/peers/${encodeURIComponent(peer.url)}${rangeSearch}`}
                    size="sm"
                    c="inherit"
                    truncate
                    display="block"
                  >
                    {peer.url.replace(/^wss?:\/\//, "")}
                  </Anchor>
                }
                right={
                  <>
                    <Text size="sm" c={peer.status === "disconnected" ? "var(--app-bad)" : "dimmed"}>
                      {peer.status.replaceAll("_", " ")}
                    </Text>
                    <Text size="xs" w={76} ta="right" component="div">
                      <Ago at={peer.last_success_at} size="xs" />
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

function isConnected(status: string): boolean {
  return status === "connected" || status === "syncing" || status === "connected_with_failures";
}

interface Counts {
  readonly total: number;
  readonly completely_synced: number;
  readonly by_health: { readonly dead: number; readonly degraded: number };
}

function stateOf({ total, completely_synced: synced, by_health: { dead } }: Counts): PanelState {
  if (total === 0) return { tone: "quiet", text: "alone" };
  if (dead > 0) return { tone: "bad", text: `${dead} dead` };
  return synced === total ? { tone: "good", text: "in sync" } : { tone: "warn", text: `${total - synced} behind` };
}
