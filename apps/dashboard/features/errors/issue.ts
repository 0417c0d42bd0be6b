import type { paths } from "../../api/schema.js";

type ListAnswer = paths["/api/v1/projects/{id}/errors"]["get"]["responses"]["200"]["content"]["application/json"];
export type Issue = ListAnswer[number];
export type IssueStatus = Issue["status"];

export const levelColors: Readonly<Record<string, string>> = {
  fatal: "red",
  error: "orange",
  warning: "yellow",
  info: "blue",
  debug: "gray",
};

/** Events in each part of the period, oldest first. The server sends pairs of a time in seconds and a count. */
export function countsOf(issue: Issue): readonly number[] {
  const [series] = Object.values(issue.stats.frequency as Record<string, unknown>);
  if (!Array.isArray(series)) return [];
  return series.map((pair: unknown) => (Array.isArray(pair) ? Number(pair[1]) || 0 : 0));
}
