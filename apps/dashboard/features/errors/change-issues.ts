import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import type { IssueChange } from "./issue.js";

interface Change {
  readonly issues: readonly number[];
  readonly change: IssueChange;
  /** "3 issues are resolved." */
  readonly said: string;
  /** Brings things back as they were. */
  readonly undo?: IssueChange;
}

/** Changes one or many issues; what can be taken back offers it. */
export function useChangeIssues(project: number) {
  const queries = useQueryClient();
  const mutation = useMutation({
    mutationFn: ({ issues, change }: Change) =>
      dataOf(
        api.PATCH("/api/v1/projects/{id}/errors", {
          params: { path: { id: project } },
          body: { ...change, ids: [...issues] },
        }),
      ),
    onSuccess: (results, { issues, said, undo }) => {
      const missing = results.filter(({ result }) => result === "not_found").length;
      notifications.show({
        message: missing > 0 ? `${said} ${missing} of them were gone.` : said,
        ...(undo ? { onClick: () => mutation.mutate({ issues, change: undo, said: "Taken back." }) } : {}),
        ...(undo ? { title: "Done. Click here to take it back.", autoClose: 8_000 } : {}),
      });
    },
    onError: (error) => notifications.show({ color: "red", title: "Nothing was changed", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["errors", project] }),
  });
  return mutation;
}

export function countIssues(count: number): string {
  return count === 1 ? "The issue is" : `${count} issues are`;
}
