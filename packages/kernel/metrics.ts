export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(value?: number, labels?: Labels, exemplar?: Labels): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
  add(value: number, labels?: Labels): void;
  /** Ends the series of a thing that is not there any more; does nothing when there is none. */
  remove(labels: Labels): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels, exemplar?: Labels): void;
}

export interface MetricOptions {
  /** Full name in the exposition, with unit suffix. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bound of distinct label sets; further ones are refused and counted. */
  readonly maxSeries?: number;
  /** Label sets that are known beforehand and exposed at 0 from the start. */
  readonly known?: readonly Labels[];
}

export interface HistogramOptions extends MetricOptions {
  readonly buckets: readonly number[];
}

export interface GaugeOptions extends MetricOptions {
  /** Called at each scrape, before the value is read. Must not throw for long: it has 2 s. */
  readonly collect?: (gauge: Gauge) => void | Promise<void>;
}

/** The port through which packages count; the server binds it to Prometheus. */
export interface Metrics {
  counter(options: MetricOptions): Counter;
  gauge(options: GaugeOptions): Gauge;
  histogram(options: HistogramOptions): Histogram;
}

const nothing = { add() {}, set() {}, remove() {}, observe() {} };

/** Counts nothing. The default of every library. */
export const noMetrics: Metrics = Object.freeze({
  counter: () => nothing,
  gauge: () => nothing,
  histogram: () => nothing,
});
