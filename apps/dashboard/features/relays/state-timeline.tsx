import { Box, Group, Stack, Text, Tooltip } from "@mantine/core";
import { formatDateTime } from "../../shared/time.js";
import { type Happening, type Peer, statusTones } from "./peer.js";

interface Stretch {
  readonly status: Peer["status"];
  readonly fromMs: number;
  readonly toMs: number;
}

/** The states of a connection side by side, as long as they lasted. */
export function StateTimeline({
  happenings,
  status,
  fromMs,
  toMs,
}: {
  /** The newest first. */
  readonly happenings: readonly Happening[];
  /** Now. */
  readonly status: Peer["status"];
  readonly fromMs: number;
  readonly toMs: number;
}) {
  const stretches = stretchesOf(happenings, status, fromMs, toMs);
  const shares = sharesOf(stretches, toMs - fromMs);
  return (
    <Stack gap={6}>
      <Box
        role="img"
        aria-label={`States over time: ${shares.map(([name, share]) => `${statusTones[name].label} ${percent(share)}`).join(", ")}`}
        style={{
          display: "flex",
          justifyContent: "flex-end",
          height: 22,
          borderRadius: 4,
          overflow: "hidden",
          background: "var(--app-quiet)",
        }}
      >
        {stretches.map((stretch) => (
          <Tooltip
            key={stretch.fromMs}
            label={`${statusTones[stretch.status].label}, ${formatDateTime(new Date(stretch.fromMs))} – ${formatDateTime(new Date(stretch.toMs))}`}
          >
            <Box
              style={{
                width: `${((stretch.toMs - stretch.fromMs) / (toMs - fromMs)) * 100}%`,
                minWidth: 2,
                flexShrink: 0,
                background: `var(--mantine-color-${statusTones[stretch.status].color}-filled)`,
              }}
            />
          </Tooltip>
        ))}
      </Box>
      <Group justify="space-between" aria-hidden>
        <Text size="xs" c="dimmed">
          {formatDateTime(new Date(fromMs))}
        </Text>
        <Text size="xs" c="dimmed">
          {Date.now() - toMs < 60_000 ? "now" : formatDateTime(new Date(toMs))}
        </Text>
      </Group>
      <Group gap="md">
        {shares.map(([name, share]) => (
          <Group key={name} gap={5} wrap="nowrap">
            <Box
              w={9}
              h={9}
              style={{ borderRadius: 2, background: `var(--mantine-color-${statusTones[name].color}-filled)` }}
              aria-hidden
            />
            <Text size="xs" c="dimmed">
              {statusTones[name].label} {percent(share)}
            </Text>
          </Group>
        ))}
      </Group>
    </Stack>
  );
}

/**
 * Oldest first. Before the first transition in sight it was in the state that this one left; but nobody knows since when
 * a relay that was first called then had been disconnected, so that time stays empty.
 */
export function stretchesOf(
  happenings: readonly Happening[],
  now: Peer["status"],
  fromMs: number,
  toMs: number,
): readonly Stretch[] {
  const stretches: Stretch[] = [];
  let endMs = toMs;
  let current = now;
  for (const { kind, at, from, to } of happenings) {
    if (kind !== "transition") continue;
    const atMs = Math.max(fromMs, Math.min(Date.parse(at), endMs));
    const status = isStatus(to) ? to : current;
    if (atMs < endMs) stretches.push({ status, fromMs: atMs, toMs: endMs });
    endMs = atMs;
    if (isStatus(from)) current = from;
  }
  const isKnown = endMs === toMs || current !== "disconnected";
  if (endMs > fromMs && isKnown) stretches.push({ status: current, fromMs, toMs: endMs });
  return stretches.reverse();
}

function sharesOf(stretches: readonly Stretch[], lengthMs: number): readonly (readonly [Peer["status"], number])[] {
  const shares = new Map<Peer["status"], number>();
  for (const { status, fromMs, toMs } of stretches)
    shares.set(status, (shares.get(status) ?? 0) + (toMs - fromMs) / lengthMs);
  return [...shares].sort(([, left], [, right]) => right - left);
}

function isStatus(name: string | null): name is Peer["status"] {
  return name !== null && Object.hasOwn(statusTones, name);
}

function percent(share: number): string {
  return share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
