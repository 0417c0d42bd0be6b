import { Button, Group, Modal, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconGitMerge, IconUserPlus } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { useSession } from "../../api/session.js";
import { countIssues, useChangeIssues } from "./change-issues.js";
import { IgnoreMenu } from "./ignore-menu.js";
import type { IssueStatus } from "./issue.js";

/** What is done with many issues at once. */
export function BulkActions({
  project,
  status,
  issues,
  onDone,
}: {
  readonly project: number;
  readonly status: IssueStatus;
  readonly issues: readonly number[];
  readonly onDone: () => void;
}) {
  const session = useSession().data;
  const change = useChangeIssues(project);
  const said = countIssues(issues.length);
  return (
    <Group gap={6} role="group" aria-label="With the selected issues">
      <Text size="sm" fw={600} mr={4}>
        {issues.length} selected
      </Text>
      {status === "unresolved" ? (
        <>
          <Button
            size="xs"
            loading={change.isPending}
            onClick={() =>
              change.mutate(
                { issues, change: { status: "resolved" }, said: `${said} resolved.`, undo: { status: "unresolved" } },
                { onSuccess: onDone },
              )
            }
          >
            Resolve
          </Button>
          <IgnoreMenu
            onIgnore={(body) =>
              change.mutate(
                { issues, change: body, said: `${said} ignored.`, undo: { status: "unresolved" } },
                { onSuccess: onDone },
              )
            }
          />
        </>
      ) : (
        <Button
          size="xs"
          loading={change.isPending}
          onClick={() =>
            change.mutate(
              { issues, change: { status: "unresolved" }, said: `${said} open again.` },
              { onSuccess: onDone },
            )
          }
        >
          Reopen
        </Button>
      )}
      {session && (
        <Button
          size="xs"
          variant="default"
          leftSection={<IconUserPlus size={14} />}
          onClick={() =>
            change.mutate({
              issues,
              change: { assigned_to: session.subject },
              said: `${said} assigned to you.`,
              undo: { assigned_to: null },
            })
          }
        >
          Take
        </Button>
      )}
      {issues.length > 1 && <Merge project={project} issues={issues} onDone={onDone} />}
    </Group>
  );
}

function Merge({
  project,
  issues,
  onDone,
}: {
  readonly project: number;
  readonly issues: readonly number[];
  readonly onDone: () => void;
}) {
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const merge = useMutation({
    mutationFn: () =>
      dataOf(
        api.POST("/api/v1/projects/{id}/errors/merge", {
          params: { path: { id: project } },
          body: { ids: [...issues] },
        }),
      ),
    onSuccess: (issue) => {
      notifications.show({
        message: `They are one issue now: ${issue.short_id ?? issue.fingerprint}. Its page can take them apart again.`,
      });
      setOpen(false);
      onDone();
    },
    onError: (error) => notifications.show({ color: "red", title: "Nothing was merged", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["errors", project] }),
  });
  return (
    <>
      <Button size="xs" variant="default" leftSection={<IconGitMerge size={14} />} onClick={() => setOpen(true)}>
        Merge
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={`Merge ${issues.length} issues`}>
        <Text size="sm" mb="md">
          Their events and comments come together in the oldest one. They can be taken apart again on its page, under
          Grouping.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={() => setOpen(false)}>
            Cancel
          </Button>
          <Button loading={merge.isPending} onClick={() => merge.mutate()}>
            Merge {issues.length}
          </Button>
        </Group>
      </Modal>
    </>
  );
}
