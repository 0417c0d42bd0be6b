import { cpus, totalmem } from "node:os";

export interface Figure {
  readonly value: number;
  /** `events/s`, `ms`, `MiB`, … */
  readonly unit: string;
}

/** One line of a benchmark's output. */
export interface Measurement {
  /** What was done, with the sizes that matter. */
  readonly workload: string;
  readonly measured: Figure;
  /** The same work by somebody else's code in the same run, and how it was set up. */
  readonly peer?: { readonly name: string; readonly value: number };
  /** Ratio that the requirement asks for, when it asks for one. */
  readonly targetRatio?: number;
  readonly target?: number;
  readonly notes?: Readonly<Record<string, string | number>>;
}

export interface Benchmark {
  /** `event-store-sqlite`; also the argument of `npm run bench`. */
  readonly name: string;
  /** Requirement ids that this benchmark measures. */
  readonly proves: readonly string[];
  run(report: (measurement: Measurement) => void): Promise<void>;
}

export interface ReportLine {
  readonly name: string;
  readonly workload: string;
  readonly value: number;
  readonly unit: string;
  readonly peer: { readonly name: string; readonly value: number } | null;
  /** Measured by peer; for times smaller is better, for rates larger. */
  readonly ratio: number | null;
  readonly targetRatio: number | null;
  readonly target: number | null;
  readonly notes: Readonly<Record<string, string | number>>;
  readonly machine: { readonly cores: number; readonly memoryGiB: number; readonly cpu: string };
  readonly versions: { readonly node: string };
  readonly date: string;
}

export function reportLine(name: string, measurement: Measurement, nowMs: number): ReportLine {
  const { measured, peer } = measurement;
  return {
    name,
    workload: measurement.workload,
    value: round(measured.value),
    unit: measured.unit,
    peer: peer ? { name: peer.name, value: round(peer.value) } : null,
    ratio: peer ? round(measured.value / peer.value) : null,
    targetRatio: measurement.targetRatio ?? null,
    target: measurement.target ?? null,
    notes: measurement.notes ?? {},
    machine: {
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      cpu: cpus()[0]?.model.trim() ?? "unknown",
    },
    versions: { node: process.version },
    date: new Date(nowMs).toISOString(),
  };
}

/** Not among the variables of the product: the servers that are measured would refuse it. */
const scale = Number(process.env["BENCH_SCALE"] ?? 1);

/** A number of events or seconds as the requirement says, or less of it to try a benchmark out: `BENCH_SCALE=0.01`. */
export function scaled(count: number): number {
  return Math.max(1, Math.round(count * scale));
}

/** Four significant digits: noise beyond that only looks like knowledge. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** The value below which the given share of the samples lies. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
