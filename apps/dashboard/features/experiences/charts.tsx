import "@mantine/charts/styles.css";
import { BarChart, LineChart } from "@mantine/charts";
import { Text, VisuallyHidden } from "@mantine/core";
import { formatShare } from "../../shared/numbers.js";
import { formatSeconds } from "../../shared/time.js";
import type { ExperienceReport, LatencyAnswer, SeriesAnswer } from "./figures.js";

const height = 210;

interface Moment {
  readonly at: string;
  readonly [series: string]: string | number | null;
}

/** Every part of the time, with nulls where nothing happened, so that a line breaks off there. */
function momentsOf(answer: SeriesAnswer, valuesOf: (point: Point | undefined) => Omit<Moment, "at">): Moment[] {
  const fromMs = Date.parse(answer.from);
  const stepMs = answer.step_s * 1000;
  const spanMs = Date.parse(answer.to) - fromMs;
  const known = new Map(
    (answer.series[0]?.points ?? []).map((point) => [Math.round((Date.parse(point.at) - fromMs) / stepMs), point]),
  );
  return Array.from({ length: Math.max(1, Math.round(spanMs / stepMs)) }, (_, part) => ({
    at: labelOf(fromMs + part * stepMs, spanMs),
    ...valuesOf(known.get(part)),
  }));
}

type Point = SeriesAnswer["series"][number]["points"][number];

function labelOf(atMs: number, spanMs: number): string {
  return new Date(atMs).toLocaleString(
    undefined,
    spanMs > 2 * 86_400_000
      ? { month: "short", day: "numeric" }
      : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  );
}

/** Apdex over time with the objective as a line, and what was missed. */
export function SliChart({ answer, slo }: { readonly answer: SeriesAnswer; readonly slo: ExperienceReport["slo"] }) {
  const data = momentsOf(answer, (point) => ({
    Apdex: percentOf(point?.apdex_ratio),
    "Error-free":
      point?.error_ratio === undefined || point.error_ratio === null ? null : 100 - percent(point.error_ratio),
  }));
  const lowest = Math.min(
    slo.apdex_pct,
    100 - slo.error_pct,
    ...data.flatMap((moment) => [moment["Apdex"], moment["Error-free"]].filter((value) => typeof value === "number")),
  );
  const bottom = Math.max(0, Math.floor((lowest - 2) / 5) * 5);
  return (
    <figure style={{ margin: 0 }} aria-label="Apdex and runs without error over time">
      <LineChart
        h={height}
        data={data}
        dataKey="at"
        withLegend
        legendProps={{ verticalAlign: "top", height: 34 }}
        curveType="linear"
        withDots={data.filter((moment) => moment["Apdex"] !== null).length < 12}
        connectNulls={false}
        unit=" %"
        yAxisProps={{ domain: [bottom, 100], width: 52 }}
        xAxisProps={{ minTickGap: 48 }}
        referenceLines={[
          { y: slo.apdex_pct, label: `apdex ${slo.apdex_pct} %`, color: "indigo.5", labelPosition: "insideTopLeft" },
          {
            y: 100 - slo.error_pct,
            label: `errors ${slo.error_pct} %`,
            color: "orange.6",
            labelPosition: "insideBottomLeft",
          },
        ]}
        series={[
          { name: "Apdex", color: "indigo.5" },
          { name: "Error-free", color: "orange.6" },
        ]}
      />
      <VisuallyHidden>
        {answer.series[0]?.points
          .map(
            (point) => `${point.at}: apdex ${formatShare(point.apdex_ratio)}, errors ${formatShare(point.error_ratio)}`,
          )
          .join("; ")}
      </VisuallyHidden>
    </figure>
  );
}

/** Runs in each part of the time, divided by how they ended. */
export function VolumeChart({ answer }: { readonly answer: SeriesAnswer }) {
  const data = momentsOf(answer, (point) => ({
    Succeeded: (point?.operations ?? 0) - (point?.errors ?? 0),
    Failed: (point?.errors ?? 0) - (point?.timeouts ?? 0),
    "Timed out": point?.timeouts ?? 0,
  }));
  return (
    <figure style={{ margin: 0 }} aria-label="Runs over time by how they ended">
      <BarChart
        h={height}
        data={data}
        dataKey="at"
        type="stacked"
        withLegend
        legendProps={{ verticalAlign: "top", height: 34 }}
        yAxisProps={{ width: 40, allowDecimals: false }}
        xAxisProps={{ minTickGap: 48 }}
        series={[
          { name: "Succeeded", color: "teal.6" },
          { name: "Failed", color: "orange.6" },
          { name: "Timed out", color: "red.6" },
        ]}
      />
      <VisuallyHidden>
        {answer.series[0]?.points
          .map((point) => `${point.at}: ${point.operations} runs, ${point.errors} broke, ${point.timeouts} timed out`)
          .join("; ")}
      </VisuallyHidden>
    </figure>
  );
}

/** How many runs took how long; slow ones in another colour. */
export function LatencyChart({ answer }: { readonly answer: LatencyAnswer }) {
  const { threshold_s: threshold } = answer;
  const total = answer.bars.reduce((sum, { count }) => sum + count, 0);
  const bars = allBars(answer);
  const data = bars.map(({ up_to_s: upTo, count }) => ({
    at: formatSeconds(upTo),
    "Good enough": upTo <= threshold ? count : 0,
    "Too slow": upTo > threshold ? count : 0,
  }));
  if (total === 0)
    return (
      <Text size="sm" c="dimmed" py="md">
        No run has ended in this time.
      </Text>
    );
  return (
    <figure style={{ margin: 0 }} aria-label={`How long ${total} runs took; good below ${formatSeconds(threshold)}`}>
      <BarChart
        h={height}
        data={data}
        dataKey="at"
        type="stacked"
        withLegend
        legendProps={{ verticalAlign: "top", height: 34 }}
        yAxisProps={{ width: 40, allowDecimals: false }}
        xAxisProps={{ minTickGap: 24 }}
        referenceLines={[
          {
            // Drawn where the first bar begins that is beyond it.
            x: formatSeconds(bars.find(({ up_to_s: upTo }) => upTo > threshold)?.up_to_s),
            position: "start",
            label: `threshold ${formatSeconds(threshold)}`,
            labelPosition: "insideTopRight",
            color: "red.6",
          },
        ]}
        series={[
          { name: "Good enough", color: "teal.6" },
          { name: "Too slow", color: "orange.6" },
        ]}
      />
      <Text size="xs" c="dimmed" ta="center">
        Good below {formatSeconds(threshold)}. Runs that timed out are not among them.
      </Text>
    </figure>
  );
}

/** Four bars for each doubling, as the server counts; those without runs too, and one beyond the threshold at least. */
function allBars({ bars, threshold_s: threshold }: LatencyAnswer): LatencyAnswer["bars"] {
  const numberOf = (upTo: number): number => Math.round(Math.log2(upTo) * 4);
  const counts = new Map(bars.map(({ up_to_s: upTo, count }) => [numberOf(upTo), count]));
  const beyond = Math.floor(Math.log2(threshold) * 4) + 1;
  const numbers = [...counts.keys(), beyond];
  const first = Math.min(...numbers);
  return Array.from({ length: Math.max(...numbers) - first + 1 }, (_, index) => ({
    up_to_s: 2 ** ((first + index) / 4),
    count: counts.get(first + index) ?? 0,
  }));
}

function percentOf(ratio: number | null | undefined): number | null {
  return ratio === null || ratio === undefined ? null : percent(ratio);
}

function percent(ratio: number): number {
  return Math.round(ratio * 10_000) / 100;
}
