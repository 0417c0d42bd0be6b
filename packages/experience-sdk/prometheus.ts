import type {
  Counter,
  Gauge,
  GaugeOptions,
  Histogram,
  HistogramOptions,
  MetricOptions,
  Metrics,
} from "@signalbox/kernel";
import * as prometheus from "prom-client";

/** The metrics port on a registry of prom-client. A name that is registered already is shared. */
export function metricsOn(registry: prometheus.Registry): Metrics {
  const common = ({ name, help, labels = [] }: MetricOptions) => ({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
  });
  const known = <Kind>(name: string, isKind: (metric: unknown) => metric is Kind, make: () => Kind): Kind => {
    const existing: unknown = registry.getSingleMetric(name);
    return isKind(existing) ? existing : make();
  };
  return {
    counter(options): Counter {
      const counter = known(options.name, isCounter, () => new prometheus.Counter(common(options)));
      for (const labels of options.known ?? []) counter.inc({ ...labels }, 0);
      return { add: (value = 1, labels = {}) => counter.inc(labels, value) };
    },
    gauge(options: GaugeOptions): Gauge {
      const { collect } = options;
      const gauge = known(
        options.name,
        isGauge,
        () =>
          new prometheus.Gauge({
            ...common(options),
            ...(collect ? { collect: () => Promise.resolve(collect(port)) } : {}),
          }),
      );
      const port: Gauge = {
        set: (value, labels = {}) => gauge.set(labels, value),
        add: (value, labels = {}) => gauge.inc(labels, value),
        remove: (labels) => gauge.remove({ ...labels }),
      };
      return port;
    },
    histogram(options: HistogramOptions): Histogram {
      const make = () => new prometheus.Histogram({ ...common(options), buckets: [...options.buckets] });
      const histogram = known(options.name, isHistogram, make);
      return { observe: (value, labels = {}) => histogram.observe(labels, value) };
    },
  };
}

function isCounter(metric: unknown): metric is prometheus.Counter {
  return metric instanceof prometheus.Counter;
}

function isGauge(metric: unknown): metric is prometheus.Gauge {
  return metric instanceof prometheus.Gauge;
}

function isHistogram(metric: unknown): metric is prometheus.Histogram {
  return metric instanceof prometheus.Histogram;
}
