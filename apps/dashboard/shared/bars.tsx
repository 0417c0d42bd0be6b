import { Box, Group, Text } from "@mantine/core";

/** More bars than these touch one another. */
const maxWithGaps = 90;

/** Counts over time with their axis: the most of a bar, and when the first and last one are. */
export function TimeBars({
  points,
  label,
  height = 72,
  color = "var(--app-chart)",
}: {
  readonly points: readonly { readonly atMs: number; readonly count: number }[];
  readonly label: string;
  readonly height?: number;
  readonly color?: string;
}) {
  const max = Math.max(1, ...points.map(({ count }) => count));
  const first = points[0]?.atMs ?? 0;
  const last = points.at(-1)?.atMs ?? 0;
  return (
    <figure style={{ margin: 0 }} aria-label={label}>
      <Box
        style={{
          display: "flex",
          alignItems: "flex-end",
          gap: points.length > maxWithGaps ? 0 : 2,
          height,
          position: "relative",
        }}
        role="img"
        aria-label={label}
      >
        <Text
          size="xs"
          c="dimmed"
          style={{ position: "absolute", top: -4, right: 0, background: "var(--app-card)", paddingLeft: 4 }}
          aria-hidden
        >
          {max.toLocaleString("en")}
        </Text>
        {points.map(({ atMs, count }) => (
          <Box
            key={atMs}
            title={`${formatTime(atMs, last - first)}: ${count.toLocaleString("en")}`}
            style={{
              flex: 1,
              minWidth: 0,
              height: count === 0 ? 2 : Math.max(3, (count / max) * height),
              borderRadius: 2,
              background: count === 0 ? "var(--mantine-color-default-border)" : color,
            }}
          />
        ))}
      </Box>
      <Group justify="space-between" mt={4} aria-hidden>
        <Text size="xs" c="dimmed">
          {formatTime(first, last - first)}
        </Text>
        <Text size="xs" c="dimmed">
          {isUntilNow(points) ? "now" : formatTime(last, last - first)}
        </Text>
      </Group>
    </figure>
  );
}

function formatTime(atMs: number, spanMs: number): string {
  const options: Intl.DateTimeFormatOptions =
    spanMs > 2 * 86_400_000
      ? { month: "short", day: "numeric" }
      : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(atMs).toLocaleString(undefined, options);
}

function isUntilNow(points: readonly { readonly atMs: number }[]): boolean {
  const [before, last] = points.slice(-2);
  return last === undefined || before === undefined || last.atMs + 2 * (last.atMs - before.atMs) > Date.now();
}
