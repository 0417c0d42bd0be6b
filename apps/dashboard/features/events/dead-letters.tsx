import {
  Alert,
  Anchor,
  Button,
  Code,
  Group,
  Modal,
  NumberInput,
  Paper,
  Progress,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";

/** Deliveries that were given up, by what they failed of. */
export function DeadLetters() {
  const url = useUrlState();
  const group = url.get("group");
  useLive({ "events.dead": ["events", "dead"], "events.replays": ["events", "dead"] });
  const groups = useQuery({
    queryKey: ["events", "dead", "groups"],
    queryFn: () => dataOf(api.GET("/api/v1/events/dead/groups", { params: { query: { state: "dead", limit: 100 } } })),
  });
  return (
    <Page title="Dead letters" subtitle="Deliveries that were given up, grouped by what they failed of">
      {url.get("replay") !== "" && <ReplayProgress id={url.get("replay")} />}
      <Loaded query={groups}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title="No dead letters">Everything that was published has been handled, or still is.</Empty>
          ) : (
            <Stack>
              {rows.map((row) => (
                <Paper key={row.fingerprint} withBorder p="sm">
                  <Group justify="space-between" wrap="wrap" gap="sm">
                    <Stack gap={2} style={{ minWidth: 0, flex: "1 1 300px" }}>
                      <Group gap="xs">
                        <Text fw={650}>{formatCount(row.count)}</Text>
                        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                          {row.subscriptions.join(", ")}
                        </Text>
                      </Group>
                      <Group gap={6}>
                        <Text size="xs" c="dimmed">
                          last
                        </Text>
                        <Ago at={row.last_dead_at} size="xs" />
                        <Text size="xs" c="dimmed">
                          · first
                        </Text>
                        <Ago at={row.first_dead_at} size="xs" />
                      </Group>
                    </Stack>
                    <Group gap="xs">
                      <Button
                        size="xs"
                        variant="default"
                        onClick={() => url.set({ group: group === row.fingerprint ? null : row.fingerprint })}
                        aria-expanded={group === row.fingerprint}
                      >
                        {group === row.fingerprint ? "Hide letters" : "Show letters"}
                      </Button>
                      <Replay fingerprint={row.fingerprint} count={row.count} />
                      <Discard fingerprint={row.fingerprint} count={row.count} />
                    </Group>
                  </Group>
                  <Sample id={row.sample_id} />
                  {group === row.fingerprint && <Letters fingerprint={row.fingerprint} />}
                </Paper>
              ))}
            </Stack>
          )
        }
      </Loaded>
    </Page>
  );
}

/** How far a replay is, and what came of it. */
function ReplayProgress({ id }: { readonly id: string }) {
  const url = useUrlState();
  const replay = useQuery({
    queryKey: ["events", "replays", id],
    queryFn: () => dataOf(api.GET("/api/v1/events/replays/{id}", { params: { path: { id } } })),
    refetchInterval: ({ state }) => ((state.data?.pending ?? 1) > 0 ? 1_000 : false),
  });
  return (
    <Paper withBorder p="sm" component="section" aria-label="Replay">
      <Loaded query={replay} skeleton={2}>
        {({ matched, replayed, resolved, failed, pending, refused, error }) => {
          const share = (count: number): number => (matched === 0 ? 0 : (count / matched) * 100);
          return (
            <Stack gap={6}>
              <Group justify="space-between">
                <Text size="sm" role="status">
                  <b>{formatCount(resolved)}</b> of {formatCount(matched)} handled now
                  {failed > 0 && `, ${formatCount(failed)} failed again`}
                  {refused > 0 && `, ${formatCount(refused)} cannot be read any more`}
                  {pending > 0 && `, ${formatCount(pending)} under way`}
                </Text>
                <Button size="compact-xs" variant="subtle" onClick={() => url.set({ replay: null })}>
                  Hide
                </Button>
              </Group>
              <Progress.Root size="md" aria-label={`${replayed} of ${matched} letters were replayed`}>
                <Progress.Section value={share(resolved)} color="green" aria-label="handled" />
                <Progress.Section value={share(failed)} color="red" aria-label="failed again" />
                <Progress.Section value={share(pending)} color="blue" striped animated aria-label="under way" />
              </Progress.Root>
              {error && <Text size="sm">{error}</Text>}
            </Stack>
          );
        }}
      </Loaded>
    </Paper>
  );
}

function Sample({ id }: { readonly id: string }) {
  const letter = useQuery({
    queryKey: ["events", "dead", "letter", id],
    queryFn: () => dataOf(api.GET("/api/v1/events/dead/{id}", { params: { path: { id } } })),
  });
  return (
    <Loaded query={letter} skeleton={2}>
      {({ error, reason, attempts }) => (
        <Stack gap={4} mt="xs">
          <Text size="sm" dir="auto" style={{ overflowWrap: "anywhere" }}>
            <Code>{error.class}</Code> {error.message}
          </Text>
          <Text size="xs" c="dimmed">
            {reason} after {attempts.length} {attempts.length === 1 ? "attempt" : "attempts"}
          </Text>
        </Stack>
      )}
    </Loaded>
  );
}

function Letters({ fingerprint }: { readonly fingerprint: string }) {
  const letters = useQuery({
    queryKey: ["events", "dead", "letters", fingerprint],
    queryFn: () =>
      dataOf(api.GET("/api/v1/events/dead", { params: { query: { fingerprint, state: "dead", limit: 50 } } })),
  });
  return (
    <Loaded query={letters}>
      {(rows) => (
        <Table.ScrollContainer minWidth={640} mt="sm">
          <Table fz="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Event</Table.Th>
                <Table.Th>Subscription</Table.Th>
                <Table.Th>Given up</Table.Th>
                <Table.Th>Replays</Table.Th>
                <Table.Th aria-label="Actions" />
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((row) => (
                <Table.Tr key={row.id}>
                  <Table.Td>
                    <Anchor component={Link} size="sm" to={`/events/${row.id.split(".")[0] ?? ""}`}>
                      {row.event_type}
                    </Anchor>
                  </Table.Td>
                  <Table.Td>{row.subscription}</Table.Td>
                  <Table.Td>
                    <Ago at={row.dead_at} />
                  </Table.Td>
                  <Table.Td>{row.replay_count}</Table.Td>
                  <Table.Td ta="right">
                    <ReplayOne id={row.id} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Loaded>
  );
}

function ReplayOne({ id }: { readonly id: string }) {
  const queries = useQueryClient();
  const replay = useMutation({
    mutationFn: () => dataOf(api.POST("/api/v1/events/dead/{id}/replay", { params: { path: { id } } })),
    onSuccess: () => notifications.show({ message: "The letter is delivered again." }),
    onError: (error) => notifications.show({ color: "red", title: "It was not replayed", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["events", "dead"] }),
  });
  return (
    <Button size="compact-xs" variant="default" loading={replay.isPending} onClick={() => replay.mutate()}>
      Replay this one
    </Button>
  );
}

/** Says first what a replay would do, then does it. */
function Replay({ fingerprint, count }: { readonly fingerprint: string; readonly count: number }) {
  const url = useUrlState();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const [rate, setRate] = useState(50);
  const filter = { fingerprint };
  const trial = useQuery({
    queryKey: ["events", "dead", "trial", fingerprint, count],
    enabled: open,
    queryFn: async () => {
      const answer = await dataOf(api.POST("/api/v1/events/dead/replay", { body: { filter, dryRun: true } }));
      if (!("would_replay" in answer)) throw new Error("The server did not try, it replayed.");
      return answer;
    },
  });
  const replay = useMutation({
    mutationFn: () => dataOf(api.POST("/api/v1/events/dead/replay", { body: { filter, ratePerSecond: rate } })),
    onSuccess: (answer) => {
      notifications.show({ message: "The letters are delivered again." });
      setOpen(false);
      if ("id" in answer) url.set({ replay: answer.id });
    },
    onError: (error) => notifications.show({ color: "red", title: "Nothing was replayed", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["events", "dead"] }),
  });
  return (
    <>
      <Button size="xs" onClick={() => setOpen(true)}>
        Replay
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title="Replay dead letters">
        <Stack>
          <Loaded query={trial} skeleton={2}>
            {({ would_replay: letters, would_fail: failing, over_limit: overLimit }) => (
              <Stack gap="xs">
                <Text size="sm">
                  {letters} {letters === 1 ? "letter" : "letters"} would be delivered again.
                </Text>
                {failing.length > 0 && (
                  <Alert color="yellow" variant="light">
                    {failing.length} cannot be read by today's definitions and would fail at once:{" "}
                    {failing
                      .slice(0, 3)
                      .map(({ id, code }) => `${id} (${code})`)
                      .join(", ")}
                  </Alert>
                )}
                {overLimit && (
                  <Alert color="yellow" variant="light">
                    There are more than one replay takes.
                  </Alert>
                )}
              </Stack>
            )}
          </Loaded>
          <NumberInput
            label="Letters per second"
            value={rate}
            min={1}
            max={100_000}
            onChange={(value) => setRate(Number(value) || 1)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setOpen(false)}>
              Cancel
            </Button>
            <Button loading={replay.isPending} disabled={!trial.isSuccess} onClick={() => replay.mutate()}>
              Replay
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}

function Discard({ fingerprint, count }: { readonly fingerprint: string; readonly count: number }) {
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState("");
  const discard = useMutation({
    mutationFn: () => dataOf(api.POST("/api/v1/events/dead/discard", { body: { filter: { fingerprint }, reason } })),
    onSuccess: () => {
      notifications.show({ message: "The letters are discarded." });
      setOpen(false);
    },
    onError: (error) => notifications.show({ color: "red", title: "Nothing was discarded", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["events", "dead"] }),
  });
  return (
    <>
      <Button size="xs" variant="light" color="red" onClick={() => setOpen(true)}>
        Discard
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={`Discard ${formatCount(count)} dead letters`}>
        <Stack>
          <Text size="sm">They will not be delivered any more. The reason is kept with them.</Text>
          <TextInput
            label="Reason"
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
            required
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setOpen(false)}>
              Cancel
            </Button>
            <Button
              color="red"
              loading={discard.isPending}
              disabled={reason.trim() === ""}
              onClick={() => discard.mutate()}
            >
              Discard {formatCount(count)}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
