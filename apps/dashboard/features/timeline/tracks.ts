import type { Entry } from "./entry.js";

/** Entries that belong on one line of the axis. */
export interface Track {
  readonly key: string;
  readonly label: string;
  readonly lane: string;
  readonly entries: readonly Entry[];
}

const lanes: readonly { readonly name: string; readonly kinds: readonly Entry["kind"][] }[] = [
  { name: "Journeys", kinds: ["journey", "checkpoint"] },
  { name: "Events and handlers", kinds: ["event", "attempt"] },
  { name: "Errors", kinds: ["error", "alert"] },
  { name: "Relay", kinds: ["relay_event"] },
];

/** One line for each journey, type of event, handler and error, in the order in which they come up; by lane. */
export function tracksOf(entries: readonly Entry[]): readonly Track[] {
  const tracks = new Map<string, { label: string; lane: string; entries: Entry[] }>();
  for (const { name, kinds } of lanes)
    for (const entry of entries) {
      if (!kinds.includes(entry.kind)) continue;
      const label = labelOf(entry);
      const key = `${name}\n${entry.kind === "attempt" ? "handler" : ""}${label}`;
      const track = tracks.get(key);
      if (track) track.entries.push(entry);
      else tracks.set(key, { label, lane: name, entries: [entry] });
    }
  return [...tracks].map(([key, track]) => ({ key, ...track }));
}

/** A checkpoint stands on its journey's line, and an attempt on its handler's. */
function labelOf({ kind, title }: Entry): string {
  if (kind === "checkpoint") return title.split(":")[0] ?? title;
  if (kind === "attempt") return title.split("/")[0] ?? title;
  return title;
}

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export function spanOf(entries: readonly Entry[]): Span {
  const fromMs = Math.min(...entries.map(({ at }) => Date.parse(at)));
  const toMs = Math.max(...entries.map(({ at, duration_s: seconds }) => Date.parse(at) + (seconds ?? 0) * 1000));
  return { fromMs, toMs: Math.max(fromMs + 1, toMs) };
}

const steps = [1, 2, 5];

/** Round moments after the beginning for the axis, about five of them, in milliseconds. */
export function ticksOf({ fromMs, toMs }: Span, originMs: number): readonly number[] {
  const wanted = (toMs - fromMs) / 5;
  const power = 10 ** Math.floor(Math.log10(Math.max(0.001, wanted)));
  const step = steps.map((factor) => factor * power).find((size) => size >= wanted) ?? 10 * power;
  const first = Math.ceil((fromMs - originMs) / step) * step;
  const ticks: number[] = [];
  for (let tick = first; tick <= toMs - originMs; tick += step) ticks.push(tick);
  return ticks;
}
