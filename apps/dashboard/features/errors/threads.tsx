import { Badge, Group, Paper, Select, Text } from "@mantine/core";
import { useUrlState } from "../../shared/url-state.js";
import type { ThreadValue } from "./event-payload.js";
import { Frames } from "./stack-trace.js";

/** The threads of a program at the moment of an event; the one that crashed comes first. */
export function Threads({ threads }: { readonly threads: readonly ThreadValue[] }) {
  const crashed = threads.findIndex((thread) => thread.crashed === true);
  const url = useUrlState();
  const wanted = Number(url.get("thread", String(Math.max(0, crashed))));
  const chosen = threads[wanted] === undefined ? 0 : wanted;
  const thread = threads[chosen];
  return (
    <Paper withBorder component="section" aria-label="Threads" style={{ overflow: "hidden" }}>
      <Group justify="space-between" px="md" py={10}>
        <Group gap="xs">
          <Text fw={650} size="sm">
            {threads.length === 1 ? "Thread" : `${threads.length} threads`}
          </Text>
          {thread?.crashed && (
            <Badge size="xs" color="red" variant="light">
              crashed
            </Badge>
          )}
          {thread?.current && (
            <Badge size="xs" color="gray" variant="light">
              current
            </Badge>
          )}
        </Group>
        <Select
          aria-label="Thread"
          size="xs"
          allowDeselect={false}
          searchable={threads.length > 10}
          value={String(chosen)}
          data={threads.map(({ id, name, crashed: isCrashed }, index) => ({
            value: String(index),
            label: `${name ?? "thread"} ${id ?? index}${isCrashed ? " · crashed" : ""}`,
          }))}
          onChange={(value) => url.set({ thread: value }, { replace: true })}
        />
      </Group>
      <Frames key={chosen} frames={thread?.stacktrace?.frames ?? []} order="newest" inAppOnly />
    </Paper>
  );
}
