import { useMutation } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { sayDone, sayFailed } from "../../shared/notify.js";
import type { IssueChange } from "./issue.js";
import { useAfterOwnChange } from "./own-changes.js";

export interface ChangeOfIssues {
  readonly issues: readonly number[];
  readonly change: IssueChange;
}

interface Change extends ChangeOfIssues {
  /** "3 issues are resolved." */
  readonly said: string;
  /** Brings each of them back to what it was. */
  readonly undo?: readonly ChangeOfIssues[];
}

/** Changes one or many issues; what can be taken back offers it. */
export function useChangeIssues(project: number) {
  const onSettled = useAfterOwnChange(project);
  const apply = ({ issues, change }: ChangeOfIssues) =>
    dataOf(
      api.PATCH("/api/v1/projects/{id}/errors", {
        params: { path: { id: project } },
        body: { ...change, ids: [...issues] },
      }),
    );
  const takeBack = useMutation({
    mutationFn: async (undo: readonly ChangeOfIssues[]) => {
      for (const one of undo) await apply(one);
    },
    onSuccess: () => sayDone("Taken back."),
    onError: (error) => sayFailed("It was not taken back", error),
    onSettled,
  });
  return useMutation({
    mutationFn: apply as (change: Change) => ReturnType<typeof apply>,
    onSuccess: (results, { said, undo }) => {
      const missing = results.filter(({ result }) => result === "not_found").length;
      sayDone(
        missing > 0 ? `${said} ${missing} of them were gone.` : said,
        undo === undefined ? undefined : () => takeBack.mutate(undo),
      );
    },
    onError: (error) => sayFailed("Nothing was changed", error),
    onSettled,
  });
}

export function countIssues(count: number): string {
  return count === 1 ? "The issue is" : `${count} issues are`;
}

/** What gives each issue back to whom it had. */
export function assignAsBefore(
  issues: readonly { readonly fingerprint: number; readonly assigned_to?: string | null }[],
): readonly ChangeOfIssues[] {
  const byAssignee = new Map<string | null, number[]>();
  for (const { fingerprint, assigned_to: who = null } of issues)
    byAssignee.set(who, [...(byAssignee.get(who) ?? []), fingerprint]);
  return [...byAssignee].map(([who, numbers]) => ({ issues: numbers, change: { assigned_to: who } }));
}
