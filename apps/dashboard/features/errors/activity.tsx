import { Button, Group, Stack, Text, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { Ago } from "../../shared/time.js";
import { describeActivity } from "./describe-activity.js";
import type { IssuePath } from "./issue.js";

interface Happening {
  readonly key: string;
  readonly at: string;
  readonly who: string;
  readonly what: string;
  readonly text?: string;
}

/** Who did what to the issue, and what they said; the newest first. */
export function Activity({ path }: { readonly path: IssuePath }) {
  const key = ["errors", path.id, "issue", path.fingerprint];
  const activity = useQuery({
    queryKey: [...key, "activity"],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/{fingerprint}/activity", { params: { path, query: { limit: 30 } } }),
      ),
  });
  const comments = useQuery({
    queryKey: [...key, "comments"],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/{fingerprint}/comments", { params: { path, query: { limit: 30 } } }),
      ),
  });
  const happenings: readonly Happening[] = [
    ...(activity.data ?? [])
      .filter(({ kind }) => kind !== "commented")
      .map((entry, index) => ({
        key: `${entry.at}.${index}`,
        at: entry.at,
        who: entry.actor,
        what: describeActivity(entry),
      })),
    ...(comments.data ?? []).map(({ id, author, text, created_at: at }) => ({
      key: `comment.${id}`,
      at,
      who: author,
      what: "wrote",
      text,
    })),
  ].sort((left, right) => right.at.localeCompare(left.at));
  return (
    <Card title="Activity">
      <Stack gap={10}>
        <NewComment path={path} queryKey={key} />
        {happenings.map(({ key: name, at, who, what, text }) => (
          <div key={name}>
            <Group gap={6} align="baseline">
              <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                {who && <b>{who} </b>}
                {what}
              </Text>
              <Ago at={at} size="xs" />
            </Group>
            {text !== undefined && (
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
                {text}
              </Text>
            )}
          </div>
        ))}
        {happenings.length === 0 && (
          <Text size="sm" c="dimmed">
            Nobody has touched it yet.
          </Text>
        )}
      </Stack>
    </Card>
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
          id="new-comment"
          aria-label="Comment"
          placeholder="Add a comment"
          size="sm"
          autosize
          minRows={1}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {text.trim() !== "" && (
          <Group justify="flex-end">
            <Button type="submit" size="compact-sm" loading={add.isPending}>
              Add
            </Button>
          </Group>
        )}
      </Stack>
    </form>
  );
}
