import type { Labels, MetricOptions } from "@signalbox/kernel";

/** The samples of one metric by label set, bounded in number. */
export interface Series<Sample> {
  /** The sample of a label set, made when it is new; `undefined` when it is new and there is no room. */
  of(labels: Labels | undefined): Sample | undefined;
  entries(): Iterable<readonly [Labels, Sample]>;
}

/**
 * A label that is missing is empty, one that the metric does not declare is left out.
 * Label sets given as the same frozen object are found without looking at their values.
 */
export function createSeries<Sample>(
  metric: MetricOptions,
  maxSeries: number,
  makeSample: () => Sample,
  onRefused: () => void,
): Series<Sample> {
  const names = metric.labels ?? [];
  const byValues = new Map<string, { readonly labels: Labels; readonly sample: Sample }>();
  const byObject = new WeakMap<Labels, Sample>();

  const find = (labels: Labels): Sample | undefined => {
    let key = "";
    for (const name of names) key += `${labels[name] ?? ""}\u0000`;
    const held = byValues.get(key);
    if (held !== undefined) return held.sample;
    if (byValues.size >= maxSeries) {
      onRefused();
      return undefined;
    }
    const sample = makeSample();
    byValues.set(key, { labels: Object.fromEntries(names.map((name) => [name, labels[name] ?? ""])), sample });
    return sample;
  };

  return {
    of(labels = noLabels) {
      const cached = byObject.get(labels);
      if (cached !== undefined) return cached;
      const sample = find(labels);
      if (sample !== undefined && Object.isFrozen(labels)) byObject.set(labels, sample);
      return sample;
    },
    *entries() {
      for (const { labels, sample } of byValues.values()) yield [labels, sample];
    },
  };
}

const noLabels: Labels = Object.freeze({});
