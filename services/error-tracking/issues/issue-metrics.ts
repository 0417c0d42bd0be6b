import type { Metrics } from "@signalbox/kernel";

export const issueChanges = ["created", "regressed", "unmuted", "escalating", "resolved", "ignored", "merged"] as const;
export type CountedChange = (typeof issueChanges)[number];

/** Counts what happens to issues, whoever does it: events, people or time. */
export function createIssueMetrics(metrics: Metrics): (change: CountedChange, quantity: number) => void {
  const changes = metrics.counter({
    name: "signalbox_error_tracking_issues_total",
    help: "Changes of issues.",
    labels: ["change"],
    known: issueChanges.map((change) => ({ change })),
  });
  return (change, quantity) => {
    if (quantity > 0) changes.add(quantity, { change });
  };
}
