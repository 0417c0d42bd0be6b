import { useQuery, useQueryClient } from "@tanstack/react-query";

const keyOf = (project: number) => ["own-changes", project] as const;

/** Counts what this page itself has changed about a project's issues: what comes of that is shown at once. */
export function useOwnChanges(project: number): number {
  return useQuery({ queryKey: keyOf(project), queryFn: () => 0, initialData: 0, staleTime: Number.POSITIVE_INFINITY })
    .data;
}

/** Has everything read again that a change may have touched. */
export function useAfterOwnChange(project: number): () => Promise<void> {
  const queries = useQueryClient();
  return async () => {
    await queries.invalidateQueries({ queryKey: ["errors", project] });
    queries.setQueryData<number>(keyOf(project), (count = 0) => count + 1);
  };
}
