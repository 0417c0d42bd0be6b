import { Box, Group, Text } from "@mantine/core";
import { formatShare } from "../../shared/numbers.js";

/** What is left of an error budget. Overspent, the bar grows red to the other side of nothing left. */
export function BudgetBar({ remaining, label }: { readonly remaining: number | null; readonly label: string }) {
  if (remaining === null)
    return (
      <Text size="xs" c="dimmed">
        no traffic
      </Text>
    );
  const overspent = remaining < 0;
  const color = overspent ? "var(--app-bad)" : remaining < 0.25 ? "var(--app-warn)" : "var(--app-good)";
  const share = overspent ? Math.min(1, -remaining) : Math.min(1, remaining);
  const text = overspent ? `overspent ${formatTimes(-remaining)}` : `${formatShare(remaining)} left`;
  return (
    <Box role="img" aria-label={`${label}: ${text}`} title={label} style={{ minWidth: 90 }}>
      <Group justify="space-between" wrap="nowrap" gap={6}>
        <Text size="xs" className="figure" fw={600} c={overspent ? "var(--app-bad)" : undefined} aria-hidden>
          {text}
        </Text>
      </Group>
      <Box style={{ height: 6, borderRadius: 3, background: "var(--app-quiet)", overflow: "hidden", marginTop: 3 }}>
        <Box style={{ width: `${Math.max(2, share * 100)}%`, height: "100%", background: color }} />
      </Box>
    </Box>
  );
}

/** 1.5 of the budget beyond the whole is "2.5 ×". */
function formatTimes(beyond: number): string {
  return `${(beyond + 1).toLocaleString("en", { maximumFractionDigits: beyond < 9 ? 1 : 0 })} ×`;
}
