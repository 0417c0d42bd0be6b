import { Text, Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";

const units: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

export function formatAgo(timeMs: number, nowMs: number): string {
  const seconds = Math.round((timeMs - nowMs) / 1000);
  if (Math.abs(seconds) < 5) return "just now";
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

/** A time as how long ago it was; hovering or focusing shows it in full, local and UTC. */
export function Ago({ at, size = "sm" }: { readonly at: string | null; readonly size?: string }) {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, []);
  if (at === null) return <Text size={size}>–</Text>;
  const time = new Date(at);
  return (
    <Tooltip label={inFull(time)}>
      <Text component="time" dateTime={at} size={size} style={{ whiteSpace: "nowrap" }} tabIndex={0}>
        {formatAgo(time.getTime(), nowMs)}
      </Text>
    </Tooltip>
  );
}

/** Date and time of day where the reader is, in 24 hours as everywhere on the pages. */
export function formatDateTime(time: Date): string {
  return time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
}

/** Local and UTC. */
function inFull(time: Date): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${formatDateTime(time)} (${zone}) · ${time.toISOString().replace("T", " ").replace("Z", " UTC")}`;
}

/** The time of day of something that happened together with others; in full as `Ago` shows it. */
export function TimeWithDate({ at }: { readonly at: string | undefined }) {
  const time = new Date(at ?? "");
  if (Number.isNaN(time.getTime()))
    return (
      <Text size="xs" c="dimmed">
        –
      </Text>
    );
  return (
    <Tooltip label={inFull(time)}>
      <Text size="xs" c="dimmed" component="time" dateTime={time.toISOString()} tabIndex={0}>
        {time.toLocaleTimeString(undefined, { hourCycle: "h23" })}
      </Text>
    </Tooltip>
  );
}

export function formatSeconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.001) return `${Math.round(seconds * 1_000_000)} µs`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return `${Math.round(seconds / 60)} min`;
}
