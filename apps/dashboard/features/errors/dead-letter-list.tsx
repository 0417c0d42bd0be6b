import { Box, Button, Code, Group, Modal, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api, dataOf, pageOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { allows, useSession } from "../../api/session.js";
import { Card } from "../../shared/card.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

type Letter =
  paths["/api/v1/projects/{id}/errors/dead-letters"]["get"]["responses"]["200"]["content"]["application/json"][number];

/** Events and items that could not be stored, to be tried again or given up. */
export function DeadLetterList({ project }: { readonly project: number }) {
  const { data: session } = useSession();
  const mayDecide = session ? allows(session, "errors:admin") : false;
  const letters = useInfiniteQuery({
    queryKey: ["errors", project, "dead-letters"],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/projects/{id}/errors/dead-letters", {
          params: {
            path: { id: project },
            query: { state: "dead", limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    getNextPageParam: ({ next }) => next,
    refetchInterval: 30_000,
  });
  const columns = useMemo(() => columnsFor(project, mayDecide), [project, mayDecide]);
  return (
    <Card title="Dead letters">
      <Text size="xs" c="dimmed" pb={8}>
        Whole, as they were received, whenever that was.
      </Text>
      <Loaded query={letters} skeleton={3}>
        {({ pages }) => (
          <DataTable
            label="Dead letters"
            bare
            rows={pages.flatMap(({ items }) => items)}
            rowKey={({ id }) => id}
            columns={columns}
            empty={<Text size="sm">None: all that was taken has been stored, or still waits to be.</Text>}
            more={
              letters.hasNextPage
                ? { load: () => void letters.fetchNextPage(), loading: letters.isFetchingNextPage }
                : undefined
            }
          />
        )}
      </Loaded>
    </Card>
  );
}

function columnsFor(project: number, mayDecide: boolean): readonly Column<Letter>[] {
  return [
    {
      id: "letter_reason",
      header: "Reason",
      value: ({ reason, message }) => `${reason}: ${message}`,
      cell: ({ id, code, reason, message, attempts, dead_at: at }) => (
        <Stack gap={2}>
          <Text size="sm" dir="auto" style={{ overflowWrap: "anywhere" }}>
            {message}
          </Text>
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
      width: 110,
      wideOnly: true,
      value: ({ dead_at: at }) => at,
      cell: ({ dead_at: at }) => <Ago at={at} />,
    },
    ...(mayDecide
      ? [
          {
            id: "letter_actions",
            header: "Actions",
            width: 110,
            align: "right" as const,
            unsorted: true,
            value: () => null,
            cell: ({ id }: Letter) => <Decide project={project} letter={id} />,
          },
        ]
      : []),
  ];
}

function Decide({ project, letter }: { readonly project: number; readonly letter: string }) {
  const queries = useQueryClient();
  const [asked, setAsked] = useState(false);
  const params = { path: { id: project, letter } };
  // The ledger and the letters tell of the same things.
  const onSettled = () =>
    Promise.all(
      ["dead-letters", "ledger"].map((part) => queries.invalidateQueries({ queryKey: ["errors", project, part] })),
    );
  const replay = useMutation({
    mutationFn: () => dataOf(api.POST("/api/v1/projects/{id}/errors/dead-letters/{letter}/replay", { params })),
    onSuccess: () => notifications.show({ message: "It waits to be stored again." }),
    onError: (error) => notifications.show({ color: "red", title: "It was not replayed", message: error.message }),
    onSettled,
  });
  const remove = useMutation({
    mutationFn: () => dataOf(api.DELETE("/api/v1/projects/{id}/errors/dead-letters/{letter}", { params })),
    onSuccess: () => {
      setAsked(false);
      notifications.show({ message: "The letter is deleted." });
    },
    onError: (error) => notifications.show({ color: "red", title: "It was not deleted", message: error.message }),
    onSettled,
  });
  return (
    <>
      <Stack gap={4} align="flex-end">
        <Button size="compact-xs" variant="default" loading={replay.isPending} onClick={() => replay.mutate()}>
          Replay
        </Button>
        <Button size="compact-xs" variant="light" color="red" onClick={() => setAsked(true)}>
          Delete
        </Button>
      </Stack>
      <Modal opened={asked} onClose={() => setAsked(false)} title="Delete a dead letter">
        <Stack>
          <Text size="sm">
            What the client sent is given up for good. The ledger counts it as discarded from then on.
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setAsked(false)}>
              Cancel
            </Button>
            <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
              Delete
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
