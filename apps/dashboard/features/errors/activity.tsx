import { Button, Group, Paper, Stack, Text, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { Ago } from "../../shared/time.js";

interface IssuePath {
  readonly id: number;
  readonly fingerprint: number;
}

/** Who did what to the issue, and what they said. */
export function Activity({ path }: { readonly path: IssuePath }) {
  const key = ["errors", path.id, "issue", path.fingerprint];
  const activity = useQuery({
    queryKey: [...key, "activity"],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/{fingerprint}/activity", { params: { path, query: { limit: 20 } } }),
      ),
  });
  const comments = useQuery({
    queryKey: [...key, "comments"],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/{fingerprint}/comments", { params: { path, query: { limit: 20 } } }),
      ),
  });
  return (
    <Paper withBorder p="sm" component="section" aria-label="Activity">
      <Stack gap="xs">
        {(activity.data ?? []).map(({ at, actor, kind }) => (
          <Group key={`${at}.${kind}`} gap={6}>
            <Text size="sm">{kind.replaceAll("_", " ")}</Text>
            <Text size="xs" c="dimmed">
              {actor}
            </Text>
            <Ago at={at} size="xs" />
          </Group>
        ))}
        {(comments.data ?? []).map(({ id, author, text, created_at: at }) => (
          <div key={id}>
            <Group gap={6}>
              <Text size="xs" c="dimmed">
                {author}
              </Text>
              <Ago at={at} size="xs" />
            </Group>
            <Text size="sm" dir="auto" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
              {text}
            </Text>
          </div>
        ))}
        <NewComment path={path} queryKey={key} />
      </Stack>
    </Paper>
  );
}

function NewComment({ path, queryKey }: { readonly path: IssuePath; readonly queryKey: readonly unknown[] }) {
  const queries = useQueryClient();
  const [text, setText] = useState("");
  const add = useMutation({
    mutationFn: () =>
      dataOf(api.POST("/api/v1/projects/{id}/errors/{fingerprint}/comments", { params: { path }, body: { text } })),
    onSuccess: () => setText(""),
    onError: (error) =>
      notifications.show({ color: "red", title: "The comment was not added", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey }),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap={6}>
        <Textarea
          aria-label="Comment"
          placeholder="Comment"
          autosize
          minRows={1}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {text.trim() !== "" && (
          <Button type="submit" size="compact-sm" loading={add.isPending}>
            Add
          </Button>
        )}
      </Stack>
    </form>
  );
}
