import { Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { api, pageOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { Card } from "../../shared/card.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import type { IssuePath } from "./issue.js";

type Feedback =
  paths["/api/v1/projects/{id}/errors/{fingerprint}/feedback"]["get"]["responses"]["200"]["content"]["application/json"][number];

/** What people wrote who met the error, the newest first. */
export function FeedbackList({ path }: { readonly path: IssuePath }) {
  const feedback = useInfiniteQuery({
    queryKey: ["errors", path.id, "issue", path.fingerprint, "feedback"],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      pageOf(
        api.GET("/api/v1/projects/{id}/errors/{fingerprint}/feedback", {
          params: { path, query: { limit: 10, ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: ({ next }) => next,
    refetchInterval: 60_000,
  });
  return (
    <Card title="User feedback">
      <Loaded query={feedback} skeleton={2}>
        {({ pages }) => {
          const said = pages.flatMap(({ items }) => items);
          return said.length === 0 ? (
            <Text size="sm" c="dimmed">
              Nobody who met it has written anything.
            </Text>
          ) : (
            <Stack gap={12}>
              {said.map((one) => (
                <Said key={one.id} feedback={one} />
              ))}
              {feedback.hasNextPage && (
                <Button
                  size="compact-sm"
                  variant="default"
                  loading={feedback.isFetchingNextPage}
                  onClick={() => void feedback.fetchNextPage()}
                >
                  Show older ones
                </Button>
              )}
            </Stack>
          );
        }}
      </Loaded>
    </Card>
  );
}

function Said({ feedback }: { readonly feedback: Feedback }) {
  const { set } = useUrlState();
  const { name, email, message, url, event_id: event } = feedback;
  return (
    <div>
      <Group gap={6} align="baseline">
        <Text size="sm" fw={650} dir="auto" style={{ overflowWrap: "anywhere" }}>
          {name ?? email ?? "Somebody"}
        </Text>
        {name !== null && email !== null && (
          <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {email}
          </Text>
        )}
        <Ago at={feedback.received_at} size="xs" />
      </Group>
      <Text
        size="sm"
        dir="auto"
        mt={2}
        p={8}
        style={{
          whiteSpace: "pre-wrap",
          overflowWrap: "anywhere",
          background: "var(--app-code)",
          borderRadius: "var(--mantine-radius-sm)",
        }}
      >
        {message}
      </Text>
      <Group gap={10} mt={2}>
        {event !== null && (
          <Anchor component="button" type="button" size="xs" onClick={() => set({ event })}>
            Its event
          </Anchor>
        )}
        {/* Strangers wrote it: shown to be read, not to be followed. */}
        {url !== null && (
          <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {url}
          </Text>
        )}
      </Group>
    </div>
  );
}
