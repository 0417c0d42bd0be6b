import { Autocomplete, Button, Group, Paper, Select, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { allows, useSession } from "../../api/session.js";
import { formatCount } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { useUrlState } from "../../shared/url-state.js";
import { DeadAudit } from "./dead-audit.js";
import { type DeadActions, type DeadGroup, DeadGroupPanel } from "./dead-group.js";
import { type DeadFilter, type DeadSelection, filterNames, readFilter, reasons } from "./dead-selection.js";
import { DiscardDialog } from "./discard-dialog.js";
import { ReplayDialog } from "./replay-dialog.js";
import { ReplayProgress } from "./replay-progress.js";

type Asked =
  | { readonly action: "replay"; readonly selection: DeadSelection }
  | { readonly action: "discard"; readonly selection: DeadSelection; readonly count: number };

/** Deliveries that were given up, by who gave up and what they failed of. */
export function DeadLetters() {
  const url = useUrlState();
  const session = useSession().data;
  const filter = readFilter(url.get);
  const [asked, setAsked] = useState<Asked | undefined>();
  useLive({ "events.dead": ["events", "dead"], "events.replays": ["events", "dead"] });
  const groups = useQuery({
    queryKey: ["events", "dead", "groups", filter],
    queryFn: () =>
      dataOf(api.GET("/api/v1/events/dead/groups", { params: { query: { ...filter, state: "dead", limit: 100 } } })),
    refetchInterval: 20_000,
    placeholderData: (previous) => previous,
  });
  const actions: DeadActions | undefined =
    session && allows(session, "events:admin")
      ? {
          replay: (selection) => setAsked({ action: "replay", selection }),
          discard: (selection, count) => setAsked({ action: "discard", selection, count }),
        }
      : undefined;
  return (
    <Page title="Dead letters" subtitle="Deliveries that were given up, by who gave up and what they failed of">
      {url.get("replay") !== "" && <ReplayProgress id={url.get("replay")} />}
      <FilterBar key={JSON.stringify(filter)} filter={filter} />
      <Loaded query={groups}>
        {(rows) => (
          <Stack>
            {filter && rows.length > 0 && <Found rows={rows} filter={filter} actions={actions} />}
            {rows.length === 0 ? (
              <Empty title={filter ? "No dead letter matches" : "No dead letters"}>
                {filter
                  ? "What was handled or discarded meanwhile is not dead any more."
                  : "Everything that was published has been handled, or still is."}
              </Empty>
            ) : (
              rows.map((row) => <DeadGroupPanel key={row.fingerprint} group={row} filter={filter} actions={actions} />)
            )}
          </Stack>
        )}
      </Loaded>
      <DeadAudit />
      {asked?.action === "replay" && <ReplayDialog selection={asked.selection} onClose={() => setAsked(undefined)} />}
      {asked?.action === "discard" && (
        <DiscardDialog selection={asked.selection} count={asked.count} onClose={() => setAsked(undefined)} />
      )}
    </Page>
  );
}

/** How many letters a query finds, and what can be done with all of them at once. */
function Found({
  rows,
  filter,
  actions,
}: {
  readonly rows: readonly DeadGroup[];
  readonly filter: DeadFilter;
  readonly actions: DeadActions | undefined;
}) {
  const count = rows.reduce((sum, row) => sum + row.count, 0);
  return (
    <Group justify="space-between">
      <Text size="sm" role="status">
        {count === 1 ? "1 letter matches" : `${formatCount(count)} letters match`}
      </Text>
      {actions && (
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={() => actions.replay({ filter })}>
            Replay all that match
          </Button>
          <Button size="xs" variant="default" c="var(--app-bad)" onClick={() => actions.discard({ filter }, count)}>
            Discard all that match
          </Button>
        </Group>
      )}
    </Group>
  );
}

function FilterBar({ filter }: { readonly filter: DeadFilter | undefined }) {
  const url = useUrlState();
  const [values, setValues] = useState<Readonly<Record<string, string>>>(
    Object.fromEntries(filterNames.map((name) => [name, url.get(name)])),
  );
  const queues = useQuery({
    queryKey: ["events", "queues"],
    queryFn: () => dataOf(api.GET("/api/v1/events/subscriptions", { params: { query: { limit: 100 } } })),
  });
  const change = (name: string) => (event: FormEvent<HTMLInputElement>) =>
    setValues({ ...values, [name]: event.currentTarget.value });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    url.set(values);
  };
  const field = (name: string, label: string, width: number) => (
    <TextInput
      aria-label={label}
      placeholder={label}
      size="xs"
      w={{ base: "100%", sm: width }}
      value={values[name] ?? ""}
      onChange={change(name)}
    />
  );
  return (
    <Paper component="form" onSubmit={submit} bg="transparent" role="search" aria-label="Dead letters">
      <Group gap="xs">
        <Autocomplete
          aria-label="Subscription"
          placeholder="Subscription"
          size="xs"
          limit={20}
          w={{ base: "100%", sm: 260 }}
          data={(queues.data ?? []).flatMap(({ subscriptions }) => subscriptions.map(({ id }) => id))}
          value={values["subscription"] ?? ""}
          onChange={(subscription) => setValues({ ...values, subscription })}
        />
        {field("event_type", "Event type", 180)}
        <Select
          aria-label="Reason"
          placeholder="Any reason"
          size="xs"
          clearable
          w={{ base: "100%", sm: 190 }}
          data={Object.entries(reasons).map(([value, label]) => ({ value, label }))}
          value={values["reason"] || null}
          onChange={(reason) => setValues({ ...values, reason: reason ?? "" })}
        />
        {field("text", "Part of the message", 170)}
        {field("correlation_id", "Correlation id", 150)}
        <Button type="submit" size="xs" variant="default">
          Filter
        </Button>
        {filter && (
          <Button
            size="xs"
            variant="subtle"
            onClick={() => url.set(Object.fromEntries(filterNames.map((name) => [name, null])))}
          >
            Clear
          </Button>
        )}
      </Group>
    </Paper>
  );
}
