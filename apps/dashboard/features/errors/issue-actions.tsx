import { ActionIcon, Button, Checkbox, Group, Kbd, Menu, Modal, Stack, Table, Text, Tooltip } from "@mantine/core";
import { useClipboard, useHotkeys } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { IconDots, IconKeyboard, IconMarkdown, IconTrash, IconUserMinus, IconUserPlus } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { allows, useSession } from "../../api/session.js";
import { formatCount } from "../../shared/numbers.js";
import { useUrlState } from "../../shared/url-state.js";
import { useChangeIssues } from "./change-issues.js";
import { IgnoreMenu } from "./ignore-menu.js";
import type { Issue, IssueChange, IssuePath } from "./issue.js";
import { ResolveButton } from "./resolve-button.js";

const shortcuts = [
  ["e", "resolve, or open again"],
  ["i", "choose how to ignore it"],
  ["a", "take it, or give it back"],
  ["j / k", "older or newer event"],
  ["c", "write a comment"],
  ["?", "show these keys"],
] as const;

/** What is done about an issue, also by keys. */
export function IssueActions({ issue, path }: { readonly issue: Issue; readonly path: IssuePath }) {
  const session = useSession().data;
  const change = useChangeIssues(path.id);
  const [ignoring, setIgnoring] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const [keysShown, setKeysShown] = useState(false);
  const copyMarkdown = useCopyMarkdown(path);
  const isOpen = issue.status === "unresolved";
  const mayWrite = session ? allows(session, "errors:write") : false;
  const issues = [path.fingerprint];
  const resolve = (body: IssueChange): void =>
    change.mutate({ issues, change: body, said: "The issue is resolved.", undo: { status: "unresolved" } });
  const reopen = (): void =>
    change.mutate({ issues, change: { status: "unresolved" }, said: "The issue is open again." });
  const isMine =
    issue.assigned_to !== null && issue.assigned_to !== undefined && issue.assigned_to === session?.subject;
  const take = (): void => {
    if (session)
      change.mutate({
        issues,
        change: { assigned_to: isMine ? null : session.subject },
        said: isMine ? "It is assigned to nobody." : "It is assigned to you.",
        undo: { assigned_to: issue.assigned_to ?? null },
      });
  };
  useHotkeys(
    mayWrite
      ? [
          ["e", () => (isOpen ? resolve({ status: "resolved" }) : reopen())],
          ["i", () => setIgnoring(true)],
          ["a", take],
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
                onIgnore={(body) =>
                  change.mutate({ issues, change: body, said: "The issue is ignored.", undo: { status: "unresolved" } })
                }
              />
            </>
          ) : (
            <Button size="xs" variant="default" loading={change.isPending} onClick={reopen} title="Key: e">
              Reopen
            </Button>
          )}
          <Button
            size="xs"
            variant="default"
            leftSection={isMine ? <IconUserMinus size={14} /> : <IconUserPlus size={14} />}
            onClick={take}
            title="Key: a"
          >
            {isMine ? "Give back" : "Take"}
          </Button>
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
              <Menu.Divider />
              <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => setDeleting(true)}>
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
      <Delete issue={issue} path={path} opened={deleting} onClose={() => setDeleting(false)} />
    </>
  );
}

function useCopyMarkdown(path: IssuePath): () => void {
  const clipboard = useClipboard();
  const event = useUrlState().get("event");
  return () => {
    const read = async (): Promise<void> => {
      const text = await dataOf(
        event === ""
          ? api.GET("/api/v1/projects/{id}/errors/{fingerprint}.md", { params: { path }, parseAs: "text" })
          : api.GET("/api/v1/projects/{id}/errors/events/{event}.md", {
              params: { path: { id: path.id, event } },
              parseAs: "text",
            }),
      );
      clipboard.copy(text);
      notifications.show({ message: "The issue is copied as Markdown." });
    };
    read().catch((error: Error) =>
      notifications.show({ color: "red", title: "Nothing was copied", message: error.message }),
    );
  };
}

/** Deleting cannot be taken back, so it says first what goes. */
function Delete({
  issue,
  path,
  opened,
  onClose,
}: {
  readonly issue: Issue;
  readonly path: IssuePath;
  readonly opened: boolean;
  readonly onClose: () => void;
}) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [discard, setDiscard] = useState(false);
  const remove = useMutation({
    mutationFn: () =>
      dataOf(
        api.DELETE("/api/v1/projects/{id}/errors/{fingerprint}", {
          params: { path, query: discard ? { discard: true } : {} },
        }),
      ),
    onSuccess: () => {
      notifications.show({ message: "The issue and its events are being deleted." });
      void navigate(`/projects/${path.id}/errors`);
      void queries.invalidateQueries({ queryKey: ["errors", path.id] });
    },
    onError: (error) => notifications.show({ color: "red", title: "Nothing was deleted", message: error.message }),
  });
  return (
    <Modal opened={opened} onClose={onClose} title="Delete the issue">
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
    </Modal>
  );
}
