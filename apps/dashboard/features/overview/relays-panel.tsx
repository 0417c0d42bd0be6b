import { Anchor, Text } from "@mantine/core";
import { IconTopologyStar3 } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { Panel, PanelFigure, PanelNote, PanelRow, type PanelState } from "./panel.js";

const shownRows = 5;

/** Whether the relay has what others have; those that are behind stand first. */
export function RelaysPanel() {
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
  const counts = status.data?.peers;
  const worst = [...(peers.data ?? [])].sort(
    (left, right) =>
      Number(left.status === "connected") - Number(right.status === "connected") || right.failures - left.failures,
  );
  return (
    <Panel
      title="Relays"
      to="/relays/peers"
      icon={<IconTopologyStar3 size={18} stroke={1.7} aria-hidden />}
      state={counts && stateOf(counts)}
      {...(counts
        ? {
            figure: (
              <PanelFigure
                value={`${formatCount(counts.completely_synced)} of ${formatCount(counts.total)}`}
                label="in sync"
              />
            ),
            trend: (
              <Text size="xs" c="dimmed" ta="right">
                {counts.by_status.syncing} syncing · {counts.by_health.degraded} degraded · {counts.by_health.dead} dead
              </Text>
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
                    to={`/relays/peers/${encodeURIComponent(peer.url)}`}
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
                    <Text size="xs" w={64} ta="right" component="div">
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
