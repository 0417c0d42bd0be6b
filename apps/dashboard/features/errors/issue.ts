import type { paths } from "../../api/schema.js";

type ListAnswer = paths["/api/v1/projects/{id}/errors"]["get"]["responses"]["200"]["content"]["application/json"];
export type Issue = ListAnswer[number];
export type IssueStatus = Issue["status"];

/** What changes an issue: the body of the API's PATCH. */
export type IssueChange = NonNullable<
  paths["/api/v1/projects/{id}/errors/{fingerprint}"]["patch"]["requestBody"]
>["content"]["application/json"];

export interface IssuePath {
  /** Of the project. */
  readonly id: number;
  readonly fingerprint: number;
}

export const levelColors: Readonly<Record<string, string>> = {
  fatal: "red",
  error: "orange",
  warning: "yellow",
  info: "blue",
  debug: "gray",
};

interface Bucket {
  readonly atMs: number;
  readonly count: number;
}

/** Events in each part of the period, oldest first. The server sends pairs of a time in seconds and a count. */
export function bucketsOf(issue: Issue): readonly Bucket[] {
  const [series] = Object.values(issue.stats.frequency as Record<string, unknown>);
  if (!Array.isArray(series)) return [];
  return series.map((pair: unknown) =>
    Array.isArray(pair) ? { atMs: Number(pair[0]) * 1000, count: Number(pair[1]) || 0 } : { atMs: 0, count: 0 },
  );
}

const maxBars = 48;

/** The counts of `bucketsOf`, few enough for a small graph. */
export function countsOf(issue: Issue): readonly number[] {
  const counts = bucketsOf(issue).map(({ count }) => count);
  const perBar = Math.ceil(counts.length / maxBars);
  if (perBar <= 1) return counts;
  return Array.from({ length: Math.ceil(counts.length / perBar) }, (_, bar) =>
    counts.slice(bar * perBar, (bar + 1) * perBar).reduce((sum, count) => sum + count, 0),
  );
}

/** Where it happened: what the client says it was doing, then function and file unless that says the same. */
export function placesOf({ actor, file = "", function: name = "" }: Issue): readonly string[] {
  // A function without a name is called by a question mark.
  const place = [name === "?" ? "" : name, file].filter((part) => part !== "").join(" in ");
  const isOfFrame = name !== "" && actor.startsWith(`${name}(`);
  return [isOfFrame ? "" : actor, place].filter((text) => text !== "");
}
