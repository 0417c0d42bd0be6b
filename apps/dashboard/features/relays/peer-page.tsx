import {
  Accordion,
  Alert,
  Badge,
  Button,
  Code,
  Group,
  List,
  Modal,
  SimpleGrid,
  Stack,
  Table,
  Text,
} from "@mantine/core";
import { IconPlayerPlay, IconRefresh, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { allows, useSession } from "../../api/session.js";
import { Card, Figure } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { sayDone, sayFailed } from "../../shared/notify.js";
import { formatCount } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Empty, Failure, Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import { useTimeRange } from "../../shared/time-range.js";
import { type Certificate, type Happening, hostOf, type Layer, layerLabels, layers, type PeerDetail } from "./peer.js";
import { HealthBadge, Progress, StatusBadge } from "./peer-badges.js";
import { StateTimeline } from "./state-timeline.js";

/** One relay that is synced from: what happened to it, what is under way, and what is proven to be complete. */
export function PeerPage() {
  const { url = "" } = useParams();
  useLive({ "relay.peers": ["relay", "peers"] });
  const peer = useQuery({
    queryKey: ["relay", "peers", "one", url],
    queryFn: () => dataOf(api.GET("/api/v1/relay/peers/{url}", { params: { path: { url } } })),
    refetchInterval: 5_000,
  });
  return (
    <Page
      above={[{ to: "/relays/peers", text: "Relays" }]}
      title={hostOf(url)}
      subtitle={
        <Group gap={4}>
          <Text size="sm" ff="monospace">
            {url}
          </Text>
          <Copy value={url} label="Copy the address" />
        </Group>
      }
      actions={peer.data && <PeerActions peer={peer.data} />}
    >
      <Loaded query={peer}>
        {(data) => (
          <Stack>
            <Troubles peer={data} />
            <Figures peer={data} />
            <HowItIsRead peer={data} />
            <Happenings peer={data} />
            <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md" style={{ alignItems: "start" }}>
              <Certificates peer={data} />
              <Batches peer={data} />
            </SimpleGrid>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

/** What keeps it from being in sync, said first. */
function Troubles({ peer }: { readonly peer: PeerDetail }) {
  const { naughty, last_failure: failure } = peer;
  return (
    <>
      {naughty && (
        <Alert
          color="red"
          variant="light"
          title={`Its mistake does not pass by itself: ${naughty.category.replaceAll("_", " ")}`}
        >
          Until it is forgotten (<Ago at={naughty.until} />) it is tried once an hour at most. Syncing anew forgets it
          at once.
        </Alert>
      )}
      {failure && peer.failures > 0 && (
        <Alert
          color={peer.health === "dead" ? "red" : "orange"}
          variant="light"
          title={peer.failures === 1 ? "The last attempt failed" : `The last ${peer.failures} attempts failed`}
        >
          {failure.message} (<Ago at={failure.at} />)
        </Alert>
      )}
    </>
  );
}

/** No trouble, only more to transfer: which is why it stands below the figures. */
function HowItIsRead({ peer: { negentropy_unsupported: marked } }: { readonly peer: PeerDetail }) {
  if (!marked) return null;
  return (
    <Text size="sm" c="dimmed" component="div" style={{ overflowWrap: "anywhere" }}>
      It did not reconcile by NIP-77, which is tried again <Ago at={marked.until} />; until then its history is read in
      pages, which is as complete but slower: <Code>{marked.reason}</Code>
    </Text>
  );
}

function Figures({ peer }: { readonly peer: PeerDetail }) {
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} spacing="sm">
      <Figure label="Connection" hint={<Since peer={peer} />}>
        <StatusBadge status={peer.status} />
      </Figure>
      <Figure
        label="Health"
        hint={
          peer.next_attempt_at === null ? (
            `${peer.failures} failures since the last success`
          ) : (
            <>
              next attempt <Ago at={peer.next_attempt_at} size="xs" />
            </>
          )
        }
      >
        <HealthBadge health={peer.health} />
      </Figure>
      <Figure
        label="Synced"
        hint={`${formatCount(peer.confirmed.repos)} repositories, ${formatCount(peer.confirmed.root_events)} conversations`}
      >
        <Progress peer={peer} />
      </Figure>
      <Figure
        label="Followed live"
        hint={
          peer.undecided_events === 0
            ? "subscriptions to new events"
            : `subscriptions; ${formatCount(peer.undecided_events)} events not decided yet`
        }
      >
        {formatCount(peer.live_subscriptions)}
      </Figure>
    </SimpleGrid>
  );
}

function Since({ peer }: { readonly peer: PeerDetail }) {
  const at = peer.disconnected_at ?? peer.historic_sync_completed_at ?? peer.last_connected;
  if (at === null) return "never connected";
  const what = peer.disconnected_at !== null ? "lost" : peer.historic_sync_completed ? "history complete" : "connected";
  return (
    <>
      {what} <Ago at={at} size="xs" />
    </>
  );
}

function Happenings({ peer }: { readonly peer: PeerDetail }) {
  const range = useTimeRange();
  const happenings = useQuery({
    queryKey: ["relay", "peers", "one", peer.url, "transitions", range.key],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/relay/peers/{url}/transitions", {
          params: {
            path: { url: peer.url },
            query: { from: range.since(), ...(range.until === undefined ? {} : { to: range.until }), limit: 1_000 },
          },
        }),
      ),
    refetchInterval: 10_000,
  });
  return (
    <Card title="What happened">
      <Loaded query={happenings} skeleton={3}>
        {(rows) => (
          <Stack gap="sm">
            <StateTimeline
              happenings={rows}
              status={peer.status}
              fromMs={Date.parse(range.since())}
              toMs={range.until === undefined ? Date.now() : Date.parse(range.until)}
            />
            {rows.length === 0 ? (
              <Text size="sm" c="dimmed">
                Nothing changed in this time.
              </Text>
            ) : (
              <Table fz="sm" verticalSpacing={4} aria-label="What happened">
                <Table.Tbody>
                  {gathered(rows)
                    .slice(0, shownHappenings)
                    .map(({ row, times }) => (
                      <Table.Tr key={`${row.at} ${row.kind} ${row.to} ${row.cause}`}>
                        <Table.Td w={104}>
                          <Ago at={row.at} />
                        </Table.Td>
                        <Table.Td>
                          {row.kind === "notice" ? (
                            <Badge size="xs" variant="light" color="yellow">
                              notice
                            </Badge>
                          ) : (
                            <Text size="sm">
                              {row.from?.replaceAll("_", " ") ?? "unknown"} → {row.to?.replaceAll("_", " ") ?? "gone"}
                            </Text>
                          )}
                          <Text size="xs" c="dimmed" dir="auto" className="narrow-only">
                            <Cause row={row} times={times} />
                          </Text>
                        </Table.Td>
                        <Table.Td
                          w="62%"
                          c="dimmed"
                          dir="auto"
                          style={{ overflowWrap: "anywhere" }}
                          className="wide-only"
                        >
                          <Cause row={row} times={times} />
                        </Table.Td>
                      </Table.Tr>
                    ))}
                </Table.Tbody>
              </Table>
            )}
          </Stack>
        )}
      </Loaded>
    </Card>
  );
}

function Cause({ row, times }: { readonly row: Happening; readonly times: number }) {
  return `${row.cause}${times > 1 ? ` (${times} times)` : ""}`;
}

const shownHappenings = 20;

/** What was said again and again stands once, with the time of the last. */
function gathered(rows: readonly Happening[]): readonly { readonly row: Happening; readonly times: number }[] {
  const found: { row: Happening; times: number }[] = [];
  for (const row of rows) {
    const before = found.at(-1);
    if (before && before.row.kind === "notice" && row.kind === "notice" && before.row.cause === row.cause)
      before.times++;
    else found.push({ row, times: 1 });
  }
  return found;
}

const shownCertificates = 12;
const methods = { negentropy: "reconciled", req_eose: "paged" } as const;

function Certificates({ peer }: { readonly peer: PeerDetail }) {
  const earlier = layers
    .flatMap((layer) => peer.certificates[layer].slice(1).map((certificate) => ({ layer, certificate })))
    .sort((left, right) => right.certificate.at.localeCompare(left.certificate.at))
    .slice(0, shownCertificates);
  return (
    <Card title="Events by layer, and what is certified" flush>
      <Table.ScrollContainer minWidth={480}>
        <Table fz="sm" aria-label="Layers">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Layer</Table.Th>
              <Table.Th ta="right">Events here</Table.Th>
              <Table.Th>Method</Table.Th>
              <Table.Th>Says</Table.Th>
              <Table.Th>Issued</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {layers.map((layer) => {
              const [newest] = peer.certificates[layer];
              return newest ? (
                <CertificateRow key={layer} layer={layer} certificate={newest} />
              ) : (
                <Table.Tr key={layer}>
                  <Table.Td>{layerLabels[layer]}</Table.Td>
                  <Table.Td ta="right">–</Table.Td>
                  <Table.Td c="dimmed" colSpan={3}>
                    nothing was synced yet
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {earlier.length > 0 && (
        <Accordion variant="default" chevronPosition="left">
          <Accordion.Item value="earlier" style={{ borderBottom: 0 }}>
            <Accordion.Control>
              <Text size="xs">Earlier syncs</Text>
            </Accordion.Control>
            <Accordion.Panel>
              <Table.ScrollContainer minWidth={480}>
                <Table fz="sm" aria-label="Earlier syncs">
                  <Table.Tbody>
                    {earlier.map(({ layer, certificate }) => (
                      <CertificateRow key={`${layer} ${certificate.at}`} layer={layer} certificate={certificate} />
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
      )}
    </Card>
  );
}

function CertificateRow({ layer, certificate }: { readonly layer: Layer; readonly certificate: Certificate }) {
  return (
    <Table.Tr>
      <Table.Td>{layerLabels[layer]}</Table.Td>
      <Table.Td ta="right" className="figure">
        {formatCount(certificate.local_count)}
      </Table.Td>
      <Table.Td>{methods[certificate.method]}</Table.Td>
      <Table.Td>
        <Verdict certificate={certificate} />
      </Table.Td>
      <Table.Td>
        <Ago at={certificate.at} />
      </Table.Td>
    </Table.Tr>
  );
}

const exclusions = ["held", "rejected", "refused", "expired"] as const;

function Verdict({ certificate }: { readonly certificate: Certificate }) {
  const { complete, proof, missing_here: missing, excluded, incomplete_reason: reason } = certificate;
  const left = exclusions.filter((name) => excluded[name] > 0).map((name) => `${excluded[name]} ${name}`);
  return (
    <Stack gap={0}>
      <Text size="sm" c={complete ? "var(--app-good)" : "var(--app-bad)"} fw={600}>
        {complete ? "complete" : `${missing} missing`}
      </Text>
      <Text size="xs" c="dimmed">
        {[
          proof === "negentropy" ? "nothing was left to reconcile" : "read to the end",
          ...(reason === null ? [] : [reason.replaceAll("_", " ")]),
          ...(left.length === 0 ? [] : [`without ${left.join(", ")}`]),
        ].join(" · ")}
      </Text>
    </Stack>
  );
}

function Batches({ peer }: { readonly peer: PeerDetail }) {
  const batches = peer.pending_batches;
  return (
    <Card title="Batches under way" flush>
      {batches.length === 0 ? (
        <Empty title="Nothing is being fetched">New events arrive by the live subscriptions.</Empty>
      ) : (
        <Table.ScrollContainer minWidth={420}>
          <Table fz="sm" aria-label="Batches under way">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Layer</Table.Th>
                <Table.Th>Method</Table.Th>
                <Table.Th ta="right">Received</Table.Th>
                <Table.Th ta="right">Age</Table.Th>
                <Table.Th ta="right">Retries</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {batches.map((batch) => (
                <Table.Tr key={batch.batch_id}>
                  <Table.Td>{layerLabels[batch.layer]}</Table.Td>
                  <Table.Td>
                    {batch.method === "negentropy" ? "reconciling" : `paged, page ${batch.pages + 1}`}
                    {batch.failed && (
                      <Badge ml={6} size="xs" color="red" variant="light">
                        failed
                      </Badge>
                    )}
                  </Table.Td>
                  <Table.Td ta="right" className="figure">
                    {batch.ids_asked > 0
                      ? `${formatCount(batch.ids_seen)} of ${formatCount(batch.ids_asked)}`
                      : formatCount(batch.received)}
                  </Table.Td>
                  <Table.Td ta="right">{formatSeconds(batch.age_s)}</Table.Td>
                  <Table.Td ta="right">{batch.retries}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Card>
  );
}

function PeerActions({ peer }: { readonly peer: PeerDetail }) {
  const { url } = peer;
  const session = useSession().data;
  const queries = useQueryClient();
  const [asked, setAsked] = useState<"repair" | "forget" | undefined>();
  const retry = useMutation({
    mutationFn: () => dataOf(api.POST("/api/v1/relay/peers/{url}/retry", { params: { path: { url } } })),
    onSuccess: ({ action }) => sayDone(retried[action](hostOf(url))),
    onError: (error) => sayFailed("It was not tried", error),
    onSettled: () => queries.invalidateQueries({ queryKey: ["relay", "peers"] }),
  });
  if (!session || !allows(session, "relay:admin")) return null;
  const close = (): void => setAsked(undefined);
  const waits = peer.status === "disconnected" || peer.status === "connected_with_failures";
  return (
    <>
      {waits && (
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlayerPlay size={15} />}
          loading={retry.isPending}
          onClick={() => retry.mutate()}
        >
          Retry now
        </Button>
      )}
      <Button size="xs" leftSection={<IconRefresh size={15} />} onClick={() => setAsked("repair")}>
        Sync anew
      </Button>
      <Button size="xs" variant="default" leftSection={<IconTrash size={15} />} onClick={() => setAsked("forget")}>
        Forget
      </Button>
      <Repair url={url} opened={asked === "repair"} onClose={close} />
      <Forget url={url} opened={asked === "forget"} onClose={close} />
    </>
  );
}

const retried = {
  connect: (host: string) => `${host} is called now.`,
  fetch: (host: string) => `What had failed is fetched from ${host} again.`,
  nothing: (host: string) => `${host} waits for nothing.`,
} as const;

interface DialogProps {
  readonly url: string;
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** Says first what would be done. */
function Repair({ url, opened, onClose }: DialogProps) {
  const queries = useQueryClient();
  const plan = useQuery({
    queryKey: ["relay", "repair", url],
    enabled: opened,
    gcTime: 0,
    queryFn: () => dataOf(api.POST("/api/v1/relay/repair", { body: { relay: url, dry_run: true } })),
  });
  const repair = useMutation({
    mutationFn: () => dataOf(api.POST("/api/v1/relay/repair", { body: { relay: url, dry_run: false } })),
    onSuccess: () => {
      sayDone(`${hostOf(url)} is synced anew.`);
      void queries.invalidateQueries({ queryKey: ["relay", "peers"] });
      onClose();
    },
  });
  return (
    <Modal opened={opened} onClose={onClose} title={`Sync ${hostOf(url)} anew`}>
      <Stack>
        <Loaded query={plan} skeleton={3}>
          {({ actions }) => (
            <List size="sm">
              {actions.map((action) => (
                <List.Item key={action}>{action}</List.Item>
              ))}
            </List>
          )}
        </Loaded>
        {repair.isError && <Failure error={repair.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button loading={repair.isPending} disabled={!plan.data} onClick={() => repair.mutate()}>
            Sync anew
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Forget({ url, opened, onClose }: DialogProps) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const forget = useMutation({
    mutationFn: () => dataOf(api.DELETE("/api/v1/relay/peers/{url}", { params: { path: { url } } })),
    onSuccess: () => {
      sayDone(`${hostOf(url)} is forgotten.`);
      void navigate("/relays/peers");
      // There is nothing to ask about itself any more.
      for (const what of ["list", "status"]) void queries.invalidateQueries({ queryKey: ["relay", "peers", what] });
    },
  });
  return (
    <Modal opened={opened} onClose={onClose} title={`Forget ${hostOf(url)}`}>
      <Stack>
        <Text size="sm">
          The connection is ended, and everything that is known of this relay goes: its health, its certificates and
          what happened to it. The events that came from it stay. An announcement that names it brings it back.
        </Text>
        {forget.isError && <Failure error={forget.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button color="red" loading={forget.isPending} onClick={() => forget.mutate()}>
            Forget
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
