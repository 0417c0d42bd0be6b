import { ActionIcon, Button, Checkbox, Group, Kbd, Menu, Modal, Stack, Table, Text, Tooltip } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconBan, IconDots, IconGitMerge, IconKeyboard, IconMarkdown, IconTrash } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, dataOf, textOf } from "../../api/client.js";
import { allows, useSession } from "../../api/session.js";
import { sayDone, sayFailed } from "../../shared/notify.js";
import { formatCount } from "../../shared/numbers.js";
import { useUrlState } from "../../shared/url-state.js";
import { copyText } from "../../shared/use-copy.js";
import { AssignMenu } from "./assign-menu.js";
import { assignAsBefore, useChangeIssues } from "./change-issues.js";
import { IgnoreMenu } from "./ignore-menu.js";
import type { Issue, IssueChange, IssuePath } from "./issue.js";
import { MergeInto } from "./merge-into.js";
import { ResolveButton } from "./resolve-button.js";

const shortcuts = [
  ["e", "resolve, or open again"],
  ["i", "choose how to ignore it"],
  ["a", "take it, or give it back"],
  ["j / k", "older or newer event"],
  ["c", "write a comment"],
  ["m", "merge it with another issue"],
  ["?", "show these keys"],
] as const;

/** What is done about an issue, also by keys. */
export function IssueActions({ issue, path }: { readonly issue: Issue; readonly path: IssuePath }) {
  const session = useSession().data;
  const change = useChangeIssues(path.id);
  const [ignoring, setIgnoring] = useState(false);
  const [deleting, setDeleting] = useState<"delete" | "discard">();
  const [merging, setMerging] = useState(false);
  const [keysShown, setKeysShown] = useState(false);
  const copyMarkdown = useCopyMarkdown(path);
  const isOpen = issue.status === "unresolved";
  const mayWrite = session ? allows(session, "errors:write") : false;
  const issues = [path.fingerprint];
  const open = [{ issues, change: { status: "unresolved" } }] as const;
  const resolve = (body: IssueChange): void =>
    change.mutate({ issues, change: body, said: "The issue is resolved.", undo: open });
  const reopen = (): void =>
    change.mutate({ issues, change: { status: "unresolved" }, said: "The issue is open again." });
  const assignee = issue.assigned_to ?? null;
  const assign = (who: string | null): void =>
    change.mutate({
      issues,
      change: { assigned_to: who },
      said: `It is assigned to ${who === null ? "nobody" : who === session?.subject ? "you" : who}.`,
      undo: assignAsBefore([issue]),
    });
  const take = (): void => {
    if (session) assign(assignee === session.subject ? null : session.subject);
  };
  useHotkeys(
    mayWrite
      ? [
          ["e", () => (isOpen ? resolve({ status: "resolved" }) : reopen())],
          ["i", () => setIgnoring(true)],
          ["a", take],
          ["m", () => setMerging(true)],
          ["c", () => document.getElementById("new-comment")?.focus()],
          ["shift+?", () => setKeysShown(true)],
        ]
      : [["shift+?", () => setKeysShown(true)]],
  );
  return (
    <>
      {mayWrite && (
        <>
          {isOpen ? (
            <>
              <ResolveButton loading={change.isPending} onResolve={resolve} />
              <IgnoreMenu
                opened={ignoring}
                onOpenedChange={setIgnoring}
                onIgnore={(body) => change.mutate({ issues, change: body, said: "The issue is ignored.", undo: open })}
              />
            </>
          ) : (
            <Button size="xs" variant="default" loading={change.isPending} onClick={reopen} title="Key: e">
              Reopen
            </Button>
          )}
          {session && (
            <AssignMenu
              me={session.subject}
              assignee={assignee}
              known={assignee === null ? [] : [assignee]}
              onAssign={assign}
            />
          )}
        </>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <Tooltip label="More">
            <ActionIcon variant="default" size={30} aria-label="More actions">
              <IconDots size={16} />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconMarkdown size={15} />} onClick={copyMarkdown}>
            Copy as Markdown
          </Menu.Item>
          <Menu.Item leftSection={<IconKeyboard size={15} />} onClick={() => setKeysShown(true)}>
            Keyboard shortcuts
          </Menu.Item>
          {session && allows(session, "errors:admin", "errors:write") && (
            <>
              <Menu.Item leftSection={<IconGitMerge size={15} />} onClick={() => setMerging(true)}>
                Merge with another issue …
              </Menu.Item>
              <Menu.Divider />
              <Menu.Item color="red" leftSection={<IconBan size={15} />} onClick={() => setDeleting("discard")}>
                Discard, also later events …
              </Menu.Item>
              <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => setDeleting("delete")}>
                Delete …
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      <Modal opened={keysShown} onClose={() => setKeysShown(false)} title="Keyboard shortcuts">
        <Table withRowBorders={false}>
          <Table.Tbody>
            {shortcuts.map(([key, what]) => (
              <Table.Tr key={key}>
                <Table.Td w={80}>
                  <Kbd>{key}</Kbd>
                </Table.Td>
                <Table.Td>{what}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Modal>
      <MergeInto issue={issue} path={path} opened={merging} onClose={() => setMerging(false)} />
      <Modal
        opened={deleting !== undefined}
        onClose={() => setDeleting(undefined)}
        title={deleting === "discard" ? "Discard the issue" : "Delete the issue"}
      >
        <Delete
          issue={issue}
          path={path}
          discardLater={deleting === "discard"}
          onClose={() => setDeleting(undefined)}
        />
      </Modal>
    </>
  );
}

function useCopyMarkdown(path: IssuePath): () => void {
  const event = useUrlState().get("event");
  return () => {
    const read = async (): Promise<void> => {
      const text = await textOf(
        event === ""
          ? api.GET("/api/v1/projects/{id}/errors/{fingerprint}.md", { params: { path }, parseAs: "text" })
          : api.GET("/api/v1/projects/{id}/errors/events/{event}.md", {
              params: { path: { id: path.id, event } },
              parseAs: "text",
            }),
      );
      if (await copyText(text)) sayDone("The issue is copied as Markdown.");
    };
    read().catch((error: Error) => sayFailed("Nothing was copied", error));
  };
}

/** Deleting cannot be taken back, so it says first what goes. */
function Delete({
  issue,
  path,
  discardLater,
  onClose,
}: {
  readonly issue: Issue;
  readonly path: IssuePath;
  readonly discardLater: boolean;
  readonly onClose: () => void;
}) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [discard, setDiscard] = useState(discardLater);
  const remove = useMutation({
    mutationFn: () =>
      dataOf(
        api.DELETE("/api/v1/projects/{id}/errors/{fingerprint}", {
          params: { path, query: discard ? { discard: true } : {} },
        }),
      ),
    onSuccess: () => {
      sayDone("The issue and its events are being deleted.");
      void navigate(`/projects/${path.id}/errors`);
      // What is gone is not asked for again.
      void queries.invalidateQueries({
        queryKey: ["errors", path.id],
        predicate: ({ queryKey }) => queryKey[2] !== "issue",
      });
    },
    onError: (error) => sayFailed("Nothing was deleted", error),
  });
  return (
    <Stack>
      <Text size="sm">
        {formatCount(issue.event_count)} {issue.event_count === 1 ? "event" : "events"}, comments and history of this
        issue are deleted for good.
      </Text>
      <Checkbox
        label="Discard what comes later, too"
        description="New events that look like these are counted and not kept."
        checked={discard}
        onChange={(event) => setDiscard(event.currentTarget.checked)}
      />
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose} data-autofocus>
          Cancel
        </Button>
        <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
          Delete {formatCount(issue.event_count)} {issue.event_count === 1 ? "event" : "events"}
        </Button>
      </Group>
    </Stack>
  );
}
