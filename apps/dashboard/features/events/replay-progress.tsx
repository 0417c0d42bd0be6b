import { Button, Group, Paper, Progress, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { useUrlState } from "../../shared/url-state.js";

/** How far a replay is, and what came of it. */
export function ReplayProgress({ id }: { readonly id: string }) {
  const url = useUrlState();
  useLive({ "events.replays": ["events", "replays", id] });
  const replay = useQuery({
    queryKey: ["events", "replays", id],
    queryFn: () => dataOf(api.GET("/api/v1/events/replays/{id}", { params: { path: { id } } })),
    refetchInterval: ({ state }) => (isOver(state.data) ? false : 1_000),
  });
  return (
    <Paper withBorder p="sm" component="section" aria-label="Replay">
      <Loaded query={replay} skeleton={2}>
        {(operation) => {
          const { matched, replayed, resolved, failed, pending, refused, error } = operation;
          const share = (count: number): number => (matched === 0 ? 0 : (count / matched) * 100);
          return (
            <Stack gap={6}>
              <Group justify="space-between">
                <Text size="sm" role="status">
                  {isOver(operation) ? "The replay is over: " : "The replay is under way: "}
                  <b>{formatCount(resolved)}</b> of {formatCount(matched)} handled now
                  {failed > 0 && `, ${formatCount(failed)} failed again`}
                  {refused > 0 && `, ${formatCount(refused)} were not dead any more`}
                  {pending > 0 && `, ${formatCount(pending)} being handled`}
                </Text>
                <Button size="compact-xs" variant="subtle" onClick={() => url.set({ replay: null })}>
                  Hide
                </Button>
              </Group>
              <Progress.Root size="md" aria-label={`${replayed} of ${matched} letters were replayed`}>
                <Progress.Section value={share(resolved)} color="green" aria-label="handled" />
                <Progress.Section value={share(failed)} color="red" aria-label="failed again" />
                <Progress.Section value={share(pending)} color="blue" striped animated aria-label="being handled" />
              </Progress.Root>
              {error && <Text size="sm">It ended early: {error}</Text>}
            </Stack>
          );
        }}
      </Loaded>
    </Paper>
  );
}

/** Handed over, and everything that was handed over has ended. */
function isOver(operation: { readonly state: string; readonly pending: number } | undefined): boolean {
  return operation !== undefined && operation.state !== "running" && operation.pending === 0;
}
