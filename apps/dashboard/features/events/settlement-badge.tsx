import { Badge } from "@mantine/core";

const colors: Readonly<Record<string, string>> = {
  done: "green",
  delivered: "green",
  ignored: "gray",
  pending: "blue",
  dispatched: "green",
  scheduled: "blue",
  retried: "yellow",
  handed_back: "yellow",
  lease_lost: "orange",
  dead: "red",
  condition_error: "red",
  transport_error: "red",
};

/** Words that would not say what they mean. */
const labels: Readonly<Record<string, string>> = { ignored: "nothing to do" };

export function settlementLabel(value: string): string {
  return labels[value] ?? value.replaceAll("_", " ");
}

export function SettlementBadge({ value }: { readonly value: string }) {
  return (
    <Badge size="xs" variant="light" color={colors[value] ?? "gray"}>
      {settlementLabel(value)}
    </Badge>
  );
}
