import type { Labels, MetricOptions } from "@signalbox/kernel";

/** The samples of one metric by label set, bounded in number. */
export interface Series<Sample> {
  /** The sample of a label set, made when it is new; `undefined` when it is new and there is no room. */
  of(labels: Labels | undefined): Sample | undefined;
  /** Ends a series and gives its room back. */
  remove(labels: Labels): void;
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
  interface Held {
    readonly labels: Labels;
    readonly sample: Sample;
    /** Label objects that led here look again. */
    removed: boolean;
  }
  const byValues = new Map<string, Held>();
  const byObject = new WeakMap<Labels, Held>();

  const keyOf = (labels: Labels): string => {
    let key = "";
    for (const name of names) key += `${labels[name] ?? ""}\u0000`;
    return key;
  };
  const find = (labels: Labels): Held | undefined => {
    const key = keyOf(labels);
    const existing = byValues.get(key);
    if (existing !== undefined) return existing;
    if (byValues.size >= maxSeries) {
      onRefused();
      return undefined;
    }
    const shown = Object.fromEntries(names.map((name) => [name, labels[name] ?? ""]));
    const held = { labels: shown, sample: makeSample(), removed: false };
    byValues.set(key, held);
    return held;
  };

  return {
    of(labels = noLabels) {
      const cached = byObject.get(labels);
      if (cached !== undefined && !cached.removed) return cached.sample;
      const held = find(labels);
      if (held !== undefined && Object.isFrozen(labels)) byObject.set(labels, held);
      return held?.sample;
    },
    remove(labels) {
      const key = keyOf(labels);
      const held = byValues.get(key);
      if (held === undefined) return;
      held.removed = true;
      byValues.delete(key);
    },
    *entries() {
      for (const { labels, sample } of byValues.values()) yield [labels, sample];
    },
  };
}

const noLabels: Labels = Object.freeze({});
