import { useMutation } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { sayDone, sayFailed } from "../../shared/notify.js";
import { useAfterOwnChange } from "./own-changes.js";

/** Makes several issues one, and offers to take them apart again as long as the message is seen. */
export function useMergeIssues(project: number, onMerged: (survivor: number) => void) {
  const onSettled = useAfterOwnChange(project);
  const takeApart = useMutation({
    mutationFn: async ({ survivor, merged }: { survivor: number; merged: readonly number[] }) => {
      const path = { id: project, fingerprint: survivor };
      const hashes = await dataOf(api.GET("/api/v1/projects/{id}/errors/{fingerprint}/hashes", { params: { path } }));
      const theirs = hashes.filter(({ former_fingerprint: former }) => merged.includes(former ?? 0));
      await dataOf(
        api.POST("/api/v1/projects/{id}/errors/{fingerprint}/unmerge", {
          params: { path },
          body: { hashes: theirs.map(({ hash }) => hash), to: "former" },
        }),
      );
    },
    onSuccess: () => sayDone("They are issues of their own again."),
    onError: (error) => sayFailed("They were not taken apart", error),
    onSettled,
  });
  return useMutation({
    mutationFn: (issues: readonly number[]) =>
      dataOf(
        api.POST("/api/v1/projects/{id}/errors/merge", {
          params: { path: { id: project } },
          body: { ids: [...issues] },
        }),
      ),
    onSuccess: ({ fingerprint, short_id: name }, issues) => {
      const merged = issues.filter((issue) => issue !== fingerprint);
      sayDone(`${issues.length} issues are one now: ${name ?? fingerprint}.`, () =>
        takeApart.mutate({ survivor: fingerprint, merged }),
      );
      onMerged(fingerprint);
    },
    onError: (error) => sayFailed("Nothing was merged", error),
    onSettled,
  });
}
