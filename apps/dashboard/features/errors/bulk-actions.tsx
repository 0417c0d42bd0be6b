import { Button, Group, Modal, Text } from "@mantine/core";
import { IconGitMerge } from "@tabler/icons-react";
import { useState } from "react";
import { useSession } from "../../api/session.js";
import { AssignMenu } from "./assign-menu.js";
import { assignAsBefore, countIssues, useChangeIssues } from "./change-issues.js";
import { IgnoreMenu } from "./ignore-menu.js";
import type { Issue, IssueStatus } from "./issue.js";
import { useMergeIssues } from "./merge-issues.js";

/** What is done with many issues at once. */
export function BulkActions({
  project,
  status,
  issues: chosen,
  known,
  onDone,
}: {
  readonly project: number;
  readonly status: IssueStatus;
  readonly issues: readonly Issue[];
  /** Who has issues already. */
  readonly known: readonly string[];
  readonly onDone: () => void;
}) {
  const session = useSession().data;
  const change = useChangeIssues(project);
  const issues = chosen.map(({ fingerprint }) => fingerprint);
  const said = countIssues(issues.length);
  const reopen = [{ issues, change: { status: "unresolved" } }] as const;
  const assignees = new Set(chosen.map(({ assigned_to: who }) => who ?? null));
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
                { issues, change: { status: "resolved" }, said: `${said} resolved.`, undo: reopen },
                { onSuccess: onDone },
              )
            }
          >
            Resolve
          </Button>
          <IgnoreMenu
            onIgnore={(body) =>
              change.mutate({ issues, change: body, said: `${said} ignored.`, undo: reopen }, { onSuccess: onDone })
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
        <AssignMenu
          me={session.subject}
          assignee={assignees.size === 1 ? [...assignees][0] : undefined}
          known={known}
          onAssign={(who) =>
            change.mutate({
              issues,
              change: { assigned_to: who },
              said: `${said} assigned to ${who === null ? "nobody" : who === session.subject ? "you" : who}.`,
              undo: assignAsBefore(chosen),
            })
          }
        />
      )}
      {issues.length > 1 && <Merge project={project} issues={issues} onDone={onDone} />}
      <Button size="xs" variant="subtle" color="gray" onClick={onDone}>
        Clear
      </Button>
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
  const [open, setOpen] = useState(false);
  const merge = useMergeIssues(project, () => {
    setOpen(false);
    onDone();
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
          <Button loading={merge.isPending} onClick={() => merge.mutate(issues)} data-autofocus>
            Merge {issues.length} issues
          </Button>
        </Group>
      </Modal>
    </>
  );
}
