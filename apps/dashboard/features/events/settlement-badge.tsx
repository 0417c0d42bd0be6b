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

export function SettlementBadge({ value }: { readonly value: string }) {
  return (
    <Badge size="xs" variant="light" color={colors[value] ?? "gray"}>
      {value.replaceAll("_", " ")}
    </Badge>
  );
}
