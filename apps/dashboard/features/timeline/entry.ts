import type { paths } from "../../api/schema.js";

type Answer = Exclude<
  paths["/api/v1/timeline/{correlation_id}"]["get"]["responses"]["200"]["content"]["application/json"],
  string
>;
export type Timeline = Answer;
export type Entry = Timeline["entries"][number];

export const outcomeColors: Readonly<Record<Entry["outcome"], string>> = {
  ok: "var(--app-good)",
  failed: "var(--app-bad)",
  open: "var(--app-chart)",
  neutral: "var(--app-quiet-mark)",
};
