import {
  type Clock,
  type Counter,
  type Gauge,
  type GaugeOptions,
  type Histogram,
  type HistogramOptions,
  type Labels,
  type Logger,
  type MetricOptions,
  type Metrics,
  silentLogger,
  systemClock,
} from "@signalbox/kernel";
import { collectDefaultMetrics, Registry } from "prom-client";
import { HttpSetupError } from "./errors.js";
import { type Exemplar, type Exposition, type Family, render, type Sample, wantsOpenMetrics } from "./exposition.js";
import { createSeries, type Series } from "./series.js";

/** The kernel's metrics port on Prometheus. */
export interface PrometheusMetrics extends Metrics {
  /**
   * All series, after each gauge's `collect` had up to 2 s. OpenMetrics with exemplars when `accept` (the request's
   * header) prefers it, else the Prometheus text format. Concurrent calls share one collection.
   */
  exposition(accept?: string): Promise<Exposition>;
  /**
   * Adds families that somebody else keeps, such as counters in a shared store; asked at each exposition, for at most
   * 2 s. While the source fails, its families are missing.
   */
  addSource(name: string, source: FamilySource): void;
}

export type FamilySource = () => Promise<readonly Family[]>;

export interface PrometheusOptions {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Upper bound of label sets for metrics that state none. */
  readonly maxSeries?: number;
  /** Also exposes prom-client's metrics of the process (`process_*`, `nodejs_*`). */
  readonly defaultMetrics?: boolean;
}

const collectLimitMs = 2000;

/**
 * Registering a name again with the same kind and labels gives the same metric, so that two servers of one process
 * can count into it. Nothing that a metric is given makes it throw: label sets beyond the bound are dropped and counted
 * in `signalbox_metrics_refused_series_total`, values that are no numbers are dropped.
 *
 * Samples are kept here rather than in prom-client's metrics: those build a key from all labels at each call, which
 * doubled what a request to a small route costs. prom-client still measures the process.
 */
export function createPrometheusMetrics(options: PrometheusOptions = {}): PrometheusMetrics {
  const logger = (options.logger ?? silentLogger).child("metrics");
  const clock = options.clock ?? systemClock;
  const defaultMaxSeries = options.maxSeries ?? 1000;
  const registered = new Map<string, Registered>();
  const collectors: (() => Promise<void>)[] = [];
  const sources: { families: readonly Family[] }[] = [];
  const processRegistry = new Registry();
  if (options.defaultMetrics) collectDefaultMetrics({ register: processRegistry });

  const refusals: MetricOptions = {
    name: "signalbox_metrics_refused_series_total",
    help: "Samples dropped because their metric already had as many label sets as it may have.",
    labels: ["metric"],
  };
  const refused = createCounter(
    refusals,
    createSeries(refusals, Number.POSITIVE_INFINITY, newCounterSample, () => {}),
    clock,
  );
  registered.set(refusals.name, refused);

  /** The bound's guard of one metric: counts each refusal, logs the first. */
  const refuse = (name: string): (() => void) => {
    const labels = Object.freeze({ metric: name });
    let logged = false;
    refused.metric.add(0, labels);
    return () => {
      refused.metric.add(1, labels);
      if (!logged) logger.warn("a metric has reached its bound of label sets", { metric: name });
      logged = true;
    };
  };

  const seriesOf = <Held>(metric: MetricOptions, make: () => Held): Series<Held> =>
    createSeries(metric, metric.maxSeries ?? defaultMaxSeries, make, refuse(metric.name));

  const register = <Kind extends Registered>(
    metric: MetricOptions,
    kind: Kind["kind"],
    make: () => Kind,
    is: (registered: Registered) => registered is Kind,
  ): Kind["metric"] => {
    const existing = registered.get(metric.name);
    if (existing === undefined) {
      const made = make();
      registered.set(metric.name, made);
      return made.metric;
    }
    const labels = (metric.labels ?? []).join();
    if (!is(existing) || existing.labels !== labels)
      throw new HttpSetupError("HTTP_METRIC_CONFLICT", {
        message: `${metric.name} is a ${existing.kind} with labels (${existing.labels}) and a ${kind} with labels (${labels}).`,
      });
    return existing.metric;
  };

  return {
    counter: (metric) =>
      register(metric, "counter", () => createCounter(metric, seriesOf(metric, newCounterSample), clock), isCounter),
    gauge(metric) {
      const gauge = register(metric, "gauge", () => createGauge(metric, seriesOf(metric, newGaugeSample)), isGauge);
      const { collect } = metric;
      if (collect) collectors.push(createCollector(metric.name, async () => collect(gauge), clock, logger));
      return gauge;
    },
    histogram: (metric) =>
      register(
        metric,
        "histogram",
        () =>
          createHistogram(
            metric,
            seriesOf(metric, () => newHistogramSample(metric.buckets.length)),
            clock,
          ),
        isHistogram,
      ),
    async exposition(accept) {
      await Promise.all(collectors.map((collect) => collect()));
      const own = [...registered.values()].map((metric) => metric.family());
      const foreign = sources.flatMap(({ families }) => families);
      return render([...own, ...foreign, ...(await processRegistry.getMetricsAsJSON())], wantsOpenMetrics(accept));
    },
    addSource(name, ask) {
      const source: { families: readonly Family[] } = { families: [] };
      sources.push(source);
      const collect = async (): Promise<void> => {
        source.families = await ask().catch((error: unknown) => {
          source.families = [];
          throw error;
        });
      };
      collectors.push(createCollector(name, collect, clock, logger));
    },
  };
}

interface RegisteredMetric<Kind extends string, Metric> {
  readonly kind: Kind;
  /** Names of the labels, joined, to compare. */
  readonly labels: string;
  readonly metric: Metric;
  family(): Family;
}

type RegisteredCounter = RegisteredMetric<"counter", Counter>;
type RegisteredGauge = RegisteredMetric<"gauge", Gauge>;
type RegisteredHistogram = RegisteredMetric<"histogram", Histogram>;
type Registered = RegisteredCounter | RegisteredGauge | RegisteredHistogram;

const isCounter = (metric: Registered): metric is RegisteredCounter => metric.kind === "counter";
const isGauge = (metric: Registered): metric is RegisteredGauge => metric.kind === "gauge";
const isHistogram = (metric: Registered): metric is RegisteredHistogram => metric.kind === "histogram";

/**
 * Runs one gauge's `collect` and waits for it at most `collectLimitMs`. One that did not finish in time goes on by
 * itself and is not started again before it has ended; until then the last values stand.
 */
function createCollector(name: string, run: () => Promise<void>, clock: Clock, logger: Logger): () => Promise<void> {
  let running: Promise<void> | undefined;
  let failed = false;
  return async () => {
    running ??= run()
      .then(
        () => {
          failed = false;
        },
        (error: unknown) => {
          if (!failed) logger.warn("a metric cannot be collected", { metric: name, error });
          failed = true;
        },
      )
      .finally(() => {
        running = undefined;
      });
    const abort = new AbortController();
    const limit = clock.sleep(collectLimitMs, { signal: abort.signal }).catch(() => {});
    await Promise.race([running, limit]);
    abort.abort();
  };
}

interface CounterSample {
  value: number;
  exemplar: Exemplar | undefined;
}

const newCounterSample = (): CounterSample => ({ value: 0, exemplar: undefined });

function createCounter(metric: MetricOptions, series: Series<CounterSample>, clock: Clock): RegisteredCounter {
  const add: Counter["add"] = (value = 1, labels, exemplar) => {
    const sample = series.of(labels);
    if (sample === undefined || !(value >= 0) || value === Number.POSITIVE_INFINITY) return;
    sample.value += value;
    if (exemplar !== undefined) sample.exemplar = { labels: exemplar, value, atMs: clock.nowMs() };
  };
  for (const labels of knownLabels(metric)) add(0, labels);
  return {
    kind: "counter",
    labels: (metric.labels ?? []).join(),
    metric: { add },
    family: () =>
      familyOf(
        metric,
        "counter",
        [...series.entries()].map(([labels, sample]) => ({ labels, ...sample })),
      ),
  };
}

interface GaugeSample {
  value: number;
}

const newGaugeSample = (): GaugeSample => ({ value: 0 });

function createGauge(metric: GaugeOptions, series: Series<GaugeSample>): RegisteredGauge {
  const set: Gauge["set"] = (value, labels) => {
    const sample = series.of(labels);
    if (sample !== undefined) sample.value = value;
  };
  for (const labels of knownLabels(metric)) set(0, labels);
  return {
    kind: "gauge",
    labels: (metric.labels ?? []).join(),
    metric: {
      set,
      add(value, labels) {
        const sample = series.of(labels);
        if (sample !== undefined) sample.value += value;
      },
      remove: (labels) => series.remove(labels),
    },
    family: () =>
      familyOf(
        metric,
        "gauge",
        [...series.entries()].map(([labels, { value }]) => ({ labels, value })),
      ),
  };
}

interface HistogramSample {
  /** Observations by bucket, the last one without an upper bound; not cumulated. */
  readonly counts: number[];
  readonly exemplars: (Exemplar | undefined)[];
  sum: number;
  count: number;
}

const newHistogramSample = (bounds: number): HistogramSample => ({
  counts: new Array<number>(bounds + 1).fill(0),
  exemplars: new Array<Exemplar | undefined>(bounds + 1).fill(undefined),
  sum: 0,
  count: 0,
});

function createHistogram(metric: HistogramOptions, series: Series<HistogramSample>, clock: Clock): RegisteredHistogram {
  const bounds = [...metric.buckets].sort((one, other) => one - other);
  for (const labels of knownLabels(metric)) series.of(labels);
  return {
    kind: "histogram",
    labels: (metric.labels ?? []).join(),
    metric: {
      observe(value, labels, exemplar) {
        const sample = series.of(labels);
        if (sample === undefined || !Number.isFinite(value)) return;
        let bucket = 0;
        while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
        sample.counts[bucket] = (sample.counts[bucket] ?? 0) + 1;
        sample.sum += value;
        sample.count += 1;
        if (exemplar !== undefined) sample.exemplars[bucket] = { labels: exemplar, value, atMs: clock.nowMs() };
      },
    },
    family: () =>
      familyOf(
        metric,
        "histogram",
        [...series.entries()].flatMap(([labels, sample]) => histogramSamples(metric.name, bounds, labels, sample)),
      ),
  };
}

function histogramSamples(name: string, bounds: readonly number[], labels: Labels, sample: HistogramSample): Sample[] {
  let below = 0;
  const buckets = [...bounds, Number.POSITIVE_INFINITY].map((bound, index): Sample => {
    below += sample.counts[index] ?? 0;
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: bound },
      value: below,
      exemplar: sample.exemplars[index],
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sample.sum },
    { metricName: `${name}_count`, labels, value: sample.count },
  ];
}

/** Without labels the one series is known: it is shown before anything happened. */
function knownLabels(metric: MetricOptions): readonly Labels[] {
  return metric.known ?? ((metric.labels ?? []).length === 0 ? [{}] : []);
}

function familyOf(metric: MetricOptions, type: string, values: readonly Sample[]): Family {
  return { name: metric.name, help: metric.help, type, values };
}
