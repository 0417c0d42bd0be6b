import { Anchor, Badge, Box, Button, Code, Drawer, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconDownload, IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { api, dataOf, pageOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { allows, useSession } from "../../api/session.js";
import { Card } from "../../shared/card.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { sayDone, sayFailed } from "../../shared/notify.js";
import { formatBytes } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { bytesOf, textOfBytes } from "./payload-bytes.js";

type Letter =
  paths["/api/v1/projects/{id}/errors/dead-letters"]["get"]["responses"]["200"]["content"]["application/json"][number];

/** What a decision is about: letters by their ids, or all that a search finds. */
type Selection = { readonly ids: readonly string[] } | { readonly text: string } | { readonly all: true };

/** Events and items that could not be stored, to be looked at, tried again or given up. */
export function DeadLetterList({ project }: { readonly project: number }) {
  const { data: session } = useSession();
  const url = useUrlState();
  const mayDecide = session ? allows(session, "errors:admin") : false;
  const text = url.get("letters");
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const letters = useInfiniteQuery({
    queryKey: ["errors", project, "dead-letters", text],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/projects/{id}/errors/dead-letters", {
          params: {
            path: { id: project },
            query: {
              state: "dead",
              limit: 50,
              ...(text === "" ? {} : { text }),
              ...(pageParam === "" ? {} : { cursor: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: ({ next }) => next,
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  const rows = letters.data?.pages.flatMap(({ items }) => items) ?? [];
  const chosen = rows.filter(({ id }) => selected.has(id));
  const columns = useMemo(() => columnsFor((id) => url.set({ letter: id })), [url.set]);
  const opened = url.get("letter");
  const count = chosen.length > 0 ? String(chosen.length) : `${rows.length}${letters.hasNextPage ? "+" : ""}`;
  const selection: Selection =
    chosen.length > 0 ? { ids: chosen.map(({ id }) => id) } : text === "" ? { all: true } : { text };
  return (
    <Card
      title="Dead letters"
      actions={
        mayDecide &&
        rows.length > 0 && (
          <Decide
            project={project}
            selection={selection}
            count={count}
            said={chosen.length > 0 ? `${count} selected` : `all ${count}`}
            onDone={() => setSelected(new Set())}
          />
        )
      }
    >
      <Group justify="space-between" gap="sm" pb={8}>
        <Text size="xs" c="dimmed">
          What the server took and could not store, whole, as it was received.
        </Text>
        {(rows.length > 0 || text !== "") && (
          <Filter value={text} onChange={(letters) => url.set({ letters }, { replace: true })} />
        )}
      </Group>
      <Loaded query={letters} skeleton={3}>
        {() => (
          <DataTable
            label="Dead letters"
            bare
            rows={rows}
            rowKey={({ id }) => id}
            columns={columns}
            {...(mayDecide ? { selection: { selected, onChange: setSelected } } : {})}
            empty={
              <Text size="sm">
                {text === "" ? "None: all that was taken has been stored, or still waits to be." : "None says so."}
              </Text>
            }
            more={
              letters.hasNextPage
                ? { load: () => void letters.fetchNextPage(), loading: letters.isFetchingNextPage }
                : undefined
            }
          />
        )}
      </Loaded>
      <Drawer
        opened={opened !== ""}
        onClose={() => url.set({ letter: null })}
        position="right"
        size="lg"
        title={<Text fw={650}>Dead letter</Text>}
      >
        {opened !== "" && <LetterView key={opened} project={project} id={opened} mayDecide={mayDecide} />}
      </Drawer>
    </Card>
  );
}

function Filter({ value, onChange }: { readonly value: string; readonly onChange: (text: string) => void }) {
  const [text, setText] = useState(value);
  const [settled] = useDebouncedValue(text.trim(), 300);
  // biome-ignore lint/correctness/useExhaustiveDependencies: said once it has settled.
  useEffect(() => {
    if (settled !== value) onChange(settled);
  }, [settled]);
  return (
    <TextInput
      size="xs"
      aria-label="Find in messages"
      placeholder="Find in messages"
      leftSection={<IconSearch size={14} aria-hidden />}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
    />
  );
}

function columnsFor(open: (id: string) => void): readonly Column<Letter>[] {
  return [
    {
      id: "letter_reason",
      header: "Reason",
      value: ({ reason, message }) => `${reason}: ${message}`,
      cell: ({ id, code, reason, message, attempts, dead_at: at }) => (
        <Stack gap={2}>
          <Anchor
            component="button"
            type="button"
            size="sm"
            ta="left"
            dir="auto"
            style={{ overflowWrap: "anywhere" }}
            onClick={() => open(id)}
          >
            {message}
          </Anchor>
          <Text size="xs" c="dimmed" component="div" style={{ overflowWrap: "anywhere" }}>
            {code && <Code>{code}</Code>} {reason} after {attempts} {attempts === 1 ? "attempt" : "attempts"} ·{" "}
            {id.slice(0, 20)}
          </Text>
          <Box hiddenFrom="sm">
            <Ago at={at} size="xs" />
          </Box>
        </Stack>
      ),
    },
    {
      id: "letter_received",
      header: "Received",
      width: 120,
      wideOnly: true,
      value: ({ received_at: at }) => at,
      cell: ({ received_at: at }) => <Ago at={at} />,
    },
    {
      id: "letter_dead",
      header: "Given up",
      width: 120,
      wideOnly: true,
      value: ({ dead_at: at }) => at,
      cell: ({ dead_at: at }) => <Ago at={at} />,
    },
  ];
}

/** One letter: why it died, and the bytes that the client sent. */
function LetterView({
  project,
  id,
  mayDecide,
}: {
  readonly project: number;
  readonly id: string;
  readonly mayDecide: boolean;
}) {
  const url = useUrlState();
  const letter = useQuery({
    queryKey: ["errors", project, "dead-letters", "letter", id],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/dead-letters/{letter}", {
          params: { path: { id: project, letter: id } },
        }),
      ),
  });
  return (
    <Loaded query={letter}>
      {({ message, code, reason, attempts, state, received_at: received, dead_at: dead, stack, payloads }) => (
        <Stack gap="md">
          <Stack gap={4}>
            <Text size="sm" dir="auto" style={{ overflowWrap: "anywhere" }}>
              {message}
            </Text>
            <Group gap={8}>
              {code && <Code>{code}</Code>}
              <Badge variant="light" color={state === "dead" ? "red" : "gray"}>
                {state}
              </Badge>
              <Text size="xs" c="dimmed">
                {reason} after {attempts} {attempts === 1 ? "attempt" : "attempts"}
              </Text>
            </Group>
            <Text size="xs" c="dimmed" component="div">
              Received <Ago at={received} size="xs" />, given up <Ago at={dead} size="xs" />
            </Text>
            <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
              {id}
            </Text>
          </Stack>
          {mayDecide && state === "dead" && (
            <Decide
              project={project}
              selection={{ ids: [id] }}
              count="1"
              said="it"
              onDone={() => url.set({ letter: null })}
            />
          )}
          {payloads === null ? (
            <Text size="sm" c="dimmed">
              What the client sent is shown to those who may administer errors.
            </Text>
          ) : (
            payloads.map((payload, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: payloads of one kind have one name.
              <Payload key={index} payload={payload} name={`${id.replace(":", "-")}-${index + 1}`} />
            ))
          )}
          {stack && (
            <div>
              <Text fw={600} size="sm" mb={4}>
                Stack of the failure
              </Text>
              <Code block tabIndex={0} style={{ maxHeight: 240, overflow: "auto" }}>
                {stack}
              </Code>
            </div>
          )}
        </Stack>
      )}
    </Loaded>
  );
}

const maxShown = 50_000;

function Payload({
  payload: { type, bytes, base64 },
  name,
}: {
  readonly payload: { readonly type: string; readonly bytes: number; readonly base64: string };
  readonly name: string;
}) {
  const content = useMemo(() => bytesOf(base64), [base64]);
  const text = useMemo(() => textOfBytes(content), [content]);
  const save = (): void => {
    const address = URL.createObjectURL(new Blob([content]));
    Object.assign(document.createElement("a"), { href: address, download: `${name}.bin` }).click();
    URL.revokeObjectURL(address);
  };
  return (
    <div>
      <Group justify="space-between" mb={4}>
        <Text fw={600} size="sm">
          {type}{" "}
          <Text span size="xs" c="dimmed">
            {formatBytes(bytes)}, as it was sent
          </Text>
        </Text>
        <Button size="compact-xs" variant="default" leftSection={<IconDownload size={14} />} onClick={save}>
          Save the bytes
        </Button>
      </Group>
      <Code block tabIndex={0} style={{ maxHeight: 320, overflow: "auto" }} aria-label={`Bytes of ${type}`}>
        {(text ?? "These bytes are no text.").slice(0, maxShown)}
      </Code>
    </div>
  );
}

/** Replays or deletes letters, after it was said how many there are. */
function Decide({
  project,
  selection,
  count,
  said,
  onDone,
}: {
  readonly project: number;
  readonly selection: Selection;
  readonly count: string;
  /** "3 selected" */
  readonly said: string;
  readonly onDone: () => void;
}) {
  const queries = useQueryClient();
  const [asked, setAsked] = useState<"replay" | "delete">();
  const letters = count === "1" ? "1 dead letter" : `${count} dead letters`;
  const decide = useMutation({
    mutationFn: (what: "replay" | "delete") => {
      const params = { path: { id: project } };
      const body = "ids" in selection ? { ids: [...selection.ids] } : selection;
      return dataOf(
        what === "replay"
          ? api.POST("/api/v1/projects/{id}/errors/dead-letters/replay", { params, body })
          : api.POST("/api/v1/projects/{id}/errors/dead-letters/delete", { params, body }),
      );
    },
    onSuccess: ({ count: done }, what) => {
      setAsked(undefined);
      const some = done === 1 ? "1 letter" : `${done} letters`;
      sayDone(what === "replay" ? `${some} will be stored again.` : `${some} deleted.`);
      onDone();
    },
    onError: (error) => sayFailed("Nothing was done", error),
    // The ledger and the letters tell of the same things.
    onSettled: () =>
      Promise.all(
        ["dead-letters", "ledger"].map((part) => queries.invalidateQueries({ queryKey: ["errors", project, part] })),
      ),
  });
  return (
    <>
      <Group gap={6} wrap="nowrap">
        <Button size="compact-sm" variant="default" onClick={() => setAsked("replay")}>
          Replay {said} …
        </Button>
        <Button size="compact-sm" variant="light" color="red" onClick={() => setAsked("delete")}>
          Delete …
        </Button>
      </Group>
      <Modal
        opened={asked !== undefined}
        onClose={() => setAsked(undefined)}
        title={asked === "delete" ? `Delete ${letters}` : `Replay ${letters}`}
      >
        <Stack>
          <Text size="sm">
            {asked === "delete"
              ? "What the clients sent is given up for good. The ledger counts it as discarded from then on."
              : "They go through the same steps again, with the time at which they were received. What fails again comes back here."}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setAsked(undefined)} data-autofocus>
              Cancel
            </Button>
            <Button
              {...(asked === "delete" ? { color: "red" } : {})}
              loading={decide.isPending}
              onClick={() => asked && decide.mutate(asked)}
            >
              {asked === "delete" ? `Delete ${letters}` : `Replay ${letters}`}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
