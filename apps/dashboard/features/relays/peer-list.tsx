import { Alert, Anchor, Badge, Code, Group, SegmentedControl, Select, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo } from "react";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { Figure } from "../../shared/card.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { formatCount } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import {
  badness,
  certifiedAt,
  eventsHere,
  healthTones,
  isIncomplete,
  isInSync,
  type Peer,
  peerPath,
  statusTones,
  type Tone,
} from "./peer.js";
import { Batches, Completeness, HealthBadge, Progress, StatusBadge } from "./peer-badges.js";
import { readAllPeers } from "./read-all-peers.js";

const columns: readonly Column<Peer>[] = [
  {
    id: "relay",
    header: "Relay",
    value: ({ url }) => url,
    cell: (peer) => (
      <Stack gap={1}>
        <Group gap={6}>
          <Anchor component={Link} to={peerPath(peer.url)} size="sm" fw={600}>
            {peer.url}
          </Anchor>
          {peer.is_bootstrap && (
            <Badge size="xs" variant="light" color="gray">
              configured
            </Badge>
          )}
        </Group>
        {peer.last_failure && peer.failures > 0 && (
          <Text size="xs" c="dimmed" lineClamp={2} title={peer.last_failure.message}>
            {peer.last_failure.message}
          </Text>
        )}
      </Stack>
    ),
  },
  {
    id: "status",
    header: "Connection",
    width: 128,
    value: ({ status }) => status,
    cell: ({ status }) => <StatusBadge status={status} />,
  },
  {
    id: "health",
    header: "Health",
    width: 104,
    wideOnly: true,
    value: ({ health }) => health,
    cell: ({ health }) => <HealthBadge health={health} />,
  },
  {
    id: "progress",
    header: "Synced",
    width: 150,
    wideOnly: true,
    value: ({ wanted, confirmed }) =>
      wanted.repos + wanted.root_events === 0
        ? null
        : (confirmed.repos + confirmed.root_events) / (wanted.repos + wanted.root_events),
    cell: (peer) => {
      const count = eventsHere(peer);
      return (
        <Stack gap={1}>
          <Progress peer={peer} />
          {peer.pending_batches.length > 0 ? (
            <Batches peer={peer} />
          ) : (
            count !== null && (
              <Text size="xs" c="dimmed">
                {count === 1 ? "1 event" : `${formatCount(count)} events`}
              </Text>
            )
          )}
        </Stack>
      );
    },
  },
  {
    id: "complete",
    header: "Certified",
    width: 100,
    wideOnly: true,
    value: certifiedAt,
    cell: (peer) => <Completeness complete={peer.complete} certified_at={peer.certified_at} />,
  },
  {
    id: "failures",
    header: "Failures",
    width: 76,
    align: "right",
    wideOnly: true,
    value: ({ failures }) => failures,
    cell: ({ failures }) => (
      <Text size="sm" className="figure" c={failures > 0 ? "var(--app-bad)" : undefined}>
        {failures}
      </Text>
    ),
  },
  {
    id: "next",
    header: "Next attempt",
    width: 106,
    wideOnly: true,
    value: ({ next_attempt_at: at }) => at,
    cell: ({ next_attempt_at: at }) => <Ago at={at} />,
  },
  {
    id: "success",
    header: "Last success",
    width: 106,
    value: ({ last_success_at: at }) => at,
    cell: ({ last_success_at: at }) => <Ago at={at} />,
  },
  {
    id: "live",
    header: "Live",
    width: 70,
    align: "right",
    hidden: true,
    value: ({ live_subscriptions: live }) => live,
    cell: ({ live_subscriptions: live }) => formatCount(live),
  },
];

const filters = {
  all: { label: "All", holds: () => true },
  synced: { label: "In sync", holds: isInSync },
  behind: { label: "Behind", holds: (peer: Peer) => !isInSync(peer) && peer.health !== "dead" },
  dead: { label: "Dead", holds: ({ health }: Peer) => health === "dead" },
} as const;

function isFilter(name: string): name is keyof typeof filters {
  return Object.hasOwn(filters, name);
}

/** The relays that are synced from; those that need a look stand first. */
export function PeerList() {
  useLive({ "relay.peers": ["relay", "peers"] });
  const status = useQuery({
    queryKey: ["relay", "peers", "status"],
    queryFn: () => dataOf(api.GET("/api/v1/relay/status")),
    refetchInterval: 10_000,
  });
  const peers = useQuery({
    queryKey: ["relay", "peers", "list"],
    queryFn: readAllPeers,
    refetchInterval: 10_000,
  });
  const url = useUrlState();
  const named = url.get("show");
  const chosen = isFilter(named) ? named : "all";
  const connection = url.get("status");
  const health = url.get("health");
  const rows = useMemo(
    () => [...(peers.data ?? [])].sort((left, right) => badness(right) - badness(left) || compare(left.url, right.url)),
    [peers.data],
  );
  return (
    <Page title="Relays" subtitle={`What ${status.data?.domain ?? "this relay"} syncs from, and how that is going`}>
      <SyncSentence enabled={status.data?.sync_enabled} peers={peers.data} />
      <Loaded query={status} skeleton={2}>
        {({ peers: counts, queues, waiting, refused_targets: refused, over_limit: left, sync_enabled: enabled }) => (
          <SimpleGrid cols={{ base: 2, md: 4 }} spacing="sm">
            <Figure
              label="In sync"
              hint={enabled ? `of ${counts.total} relays` : "sync is switched off"}
              tone={counts.total > 0 && counts.completely_synced === counts.total ? "good" : undefined}
            >
              {formatCount(counts.completely_synced)}
            </Figure>
            <Figure
              label="Dead"
              hint={`${counts.by_health.degraded} degraded, ${counts.by_health.rate_limited} rate limited`}
              tone={counts.by_health.dead > 0 ? "bad" : undefined}
            >
              {formatCount(counts.by_health.dead)}
            </Figure>
            <Figure label="Batches under way" hint={`${formatCount(queues.undecided_events)} events not decided yet`}>
              {formatCount(queues.pending_batches)}
            </Figure>
            <Figure
              label="Events that wait"
              hint={
                refused.length + left.length === 0
                  ? "for what they refer to"
                  : `${refused.length} relays may not be called, ${left.length} are too many`
              }
            >
              {waiting === null ? "–" : formatCount(waiting.events)}
            </Figure>
          </SimpleGrid>
        )}
      </Loaded>
      <Loaded query={peers} skeleton={8}>
        {() => (
          <DataTable
            label="Relays"
            rows={rows.filter(
              (peer) =>
                filters[chosen].holds(peer) &&
                (connection === "" || peer.status === connection) &&
                (health === "" || peer.health === health),
            )}
            rowKey={({ url: address }) => address}
            columns={columns}
            empty={
              rows.length === 0 ? (
                <Empty
                  title="No other relay is known yet"
                  snippet={"relay:\n  sync:\n    bootstrap_relays: [wss://relay.example.org]"}
                >
                  Relays are found in the announcements that are held here. To begin with one that you know, name it in
                  signalbox.yaml and start the server anew:
                </Empty>
              ) : (
                <Empty title="No relay is in this state" />
              )
            }
            toolbar={
              <>
                <SegmentedControl
                  size="xs"
                  aria-label="Which relays"
                  value={chosen}
                  onChange={(value) => url.set({ show: value === "all" ? null : value })}
                  data={Object.entries(filters).map(([value, { label, holds }]) => ({
                    value,
                    label: `${label} ${rows.filter(holds).length}`,
                  }))}
                />
                <ToneSelect label="Connection" name="status" tones={statusTones} />
                <ToneSelect label="Health" name="health" tones={healthTones} />
              </>
            }
          />
        )}
      </Loaded>
    </Page>
  );
}

/** How sync is doing, at a glance: whether all is here, and if not, which relay is the worst and why. */
function SyncSentence({
  enabled,
  peers,
}: {
  readonly enabled: boolean | undefined;
  readonly peers: readonly Peer[] | undefined;
}) {
  if (enabled === false)
    return (
      <Alert color="yellow" variant="light">
        Sync is switched off (<Code>relay.sync.enabled</Code>): nothing is fetched from other relays.
      </Alert>
    );
  if (peers === undefined || peers.length === 0) return null;
  const behind = peers.filter((peer) => !isInSync(peer));
  const [worst] = [...behind].sort((left, right) => badness(right) - badness(left) || compare(left.url, right.url));
  if (worst === undefined)
    return (
      <Alert color="green" variant="light">
        {peers.length === 1 ? "The one relay is" : `All ${peers.length} relays are`} in sync: their history is here, and
        they are followed live.
      </Alert>
    );
  const isSerious = behind.some((peer) => badness(peer) >= 3);
  return (
    <Alert color={isSerious ? "orange" : "blue"} variant="light" style={{ overflowWrap: "anywhere" }}>
      {peers.length - behind.length} of {peers.length} relays {peers.length - behind.length === 1 ? "is" : "are"} in
      sync. {behind.length === 1 ? "Behind is" : "The furthest behind is"}{" "}
      <Anchor component={Link} to={peerPath(worst.url)} size="sm" c="inherit" td="underline">
        {worst.url}
      </Anchor>
      : {whyBehind(worst)}
    </Alert>
  );
}

function whyBehind(peer: Peer): ReactNode {
  if (peer.last_failure && peer.failures > 0)
    return (
      <>
        {peer.failures === 1 ? "its last attempt" : `its last ${peer.failures} attempts`} failed with “
        {peer.last_failure.message}”
        {peer.next_attempt_at !== null && (
          <>
            , the next one is due <Ago at={peer.next_attempt_at} />
          </>
        )}
      </>
    );
  if (isIncomplete(peer)) return "a part of what it has is missing here";
  return statusTones[peer.status].meaning;
}

function ToneSelect({
  label,
  name,
  tones,
}: {
  readonly label: string;
  readonly name: string;
  readonly tones: Readonly<Record<string, Tone>>;
}) {
  const url = useUrlState();
  return (
    <Select
      aria-label={label}
      placeholder={`Any ${label.toLowerCase()}`}
      size="xs"
      clearable
      w={190}
      data={Object.entries(tones).map(([value, tone]) => ({ value, label: tone.label }))}
      value={url.get(name) || null}
      onChange={(value) => url.set({ [name]: value })}
    />
  );
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
