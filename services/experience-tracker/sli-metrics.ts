import { type Definition, type ExperienceStore, type Registry, splitCounterKey } from "@signalbox/experience";
import type { Exemplar, Family, Sample } from "@signalbox/http";
import type { Clock, Logger } from "@signalbox/kernel";

export interface SliMetricsOptions {
  readonly store: Pick<ExperienceStore, "counters">;
  readonly registry: () => Registry;
  /** `gitlab_covered_experience`, or `gitlab_user_experience`, whose label is `user_experience_id`. */
  readonly prefix: string;
  /** Types of definitions that name none. */
  readonly types: readonly string[];
  /** Values of the label `reason` of discards. */
  readonly discardReasons: readonly string[];
  /** Series that may be shown before anything happened. */
  readonly maxSeries: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SliMetrics {
  /** The counters of the store, read at most a second ago. @throws when they were never read and cannot be now. */
  families(): Promise<readonly Family[]>;
  /** Remembers whose journey raised a series last. */
  remember(counterKey: string, correlationId: string): void;
}

const maxAgeMs = 1_000;
/** Series of one pair of experience and type: three checkpoints, two totals, two of apdex. */
const seriesOfPair = 7;
const maxExemplars = 20_000;

/** Metrics whose values live in the store: absolute, over all replicas, and at 0 before the first event. */
export function createSliMetrics(options: SliMetricsOptions): SliMetrics {
  const { store, clock, logger, prefix } = options;
  const exemplars = new Map<string, Exemplar>();
  let counters: ReadonlyMap<string, number> | undefined;
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let warned = false;

  const read = async (): Promise<void> => {
    if (clock.monotonicMs() - readAtMs < maxAgeMs) return;
    const startedMs = clock.monotonicMs();
    try {
      counters = await store.counters();
      readAtMs = startedMs;
    } catch (error) {
      // Counters that vanish and come back would look like a restart; the last ones stand while the store is away.
      if (!counters) throw error;
    }
  };

  const knownPairs = (): Pair[] => {
    const { definitions } = options.registry();
    const all = definitions.flatMap((definition) => pairsOf(definition, options.types));
    if (all.length * seriesOfPair <= options.maxSeries) return all;
    if (!warned) logger.warn("too many series to show before anything happened; definitions with types have theirs");
    warned = true;
    return definitions.filter(({ types }) => types.length > 0).flatMap((definition) => pairsOf(definition, []));
  };

  /** Discards are alerted on: a counter that is first seen at 20 has not risen as far as anybody can tell. */
  const knownDiscards = (pairs: number): string[] => {
    const { definitions } = options.registry();
    if (pairs * seriesOfPair + definitions.length * options.discardReasons.length > options.maxSeries) return [];
    return definitions.flatMap(({ id }) => options.discardReasons.map((reason) => `discards|${id}|${reason}`));
  };

  return {
    async families() {
      reading ??= read().finally(() => {
        reading = undefined;
      });
      await reading;
      const pairs = knownPairs();
      const zeros = knownDiscards(pairs.length).map((key) => [key, 0] as const);
      return familiesOf(new Map([...zeros, ...(counters ?? [])]), {
        prefix,
        pairs,
        definitions: options.registry().definitions,
        exemplars,
      });
    },
    remember(counterKey, correlationId) {
      // Without growing: the keys are those of series, which are bounded, but a restart of the registry may rename them.
      if (exemplars.size >= maxExemplars) exemplars.clear();
      exemplars.set(counterKey, { labels: { correlation_id: correlationId }, value: 1, atMs: clock.nowMs() });
    },
  };
}

/** Experience, category, urgency and type: what seven series have in common. */
type Pair = readonly [experience: string, category: string, urgency: string, type: string];

function pairsOf({ id, featureCategory, urgency, types }: Definition, otherwise: readonly string[]): Pair[] {
  return (types.length > 0 ? types : otherwise).map((type) => [id, featureCategory, urgency, type]);
}

interface View {
  readonly prefix: string;
  readonly pairs: readonly Pair[];
  readonly definitions: readonly Definition[];
  readonly exemplars: ReadonlyMap<string, Exemplar>;
}

const sliFamilies = [
  { family: "checkpoint", suffix: "checkpoint_total", label: "checkpoint", values: ["start", "intermediate", "end"] },
  { family: "total", suffix: "total", label: "error", values: ["true", "false"] },
  { family: "apdex", suffix: "apdex_total", label: "success", values: ["true", "false"] },
] as const;

const helps: Readonly<Record<string, string>> = {
  checkpoint: "Checkpoints that were applied.",
  total: "Runs that ended, with an error or without.",
  apdex: "Runs that ended without an error, within their threshold or not.",
};

const otherFamilies = [
  {
    family: "timeouts",
    name: "signalbox_experience_timeouts_total",
    help: "Runs that did not end in time.",
    labels: ["covered_experience_id", "reason"],
  },
  {
    family: "late_ends",
    name: "signalbox_experience_late_ends_total",
    help: "Ends that came after their run had timed out.",
    labels: ["covered_experience_id", "outcome"],
  },
  {
    family: "discards",
    name: "signalbox_experience_discards_total",
    help: "Runs that were discarded and count nowhere.",
    labels: ["covered_experience_id", "reason"],
  },
  {
    family: "anomalies",
    name: "signalbox_experience_anomalies_total",
    help: "Oddities of checkpoints and runs.",
    labels: ["reason"],
  },
] as const;

function familiesOf(counters: ReadonlyMap<string, number>, view: View): Family[] {
  const idLabel = idLabelOf(view.prefix);
  const pairs = new Map(view.pairs.map((pair) => [pair.join("|"), pair]));
  const byFamily = new Map<string, [labels: readonly string[], key: string, value: number][]>();
  for (const [key, value] of counters) {
    const [family = "", ...labels] = splitCounterKey(key);
    const found = byFamily.get(family) ?? [];
    found.push([labels, key, value]);
    byFamily.set(family, found);
    const [experience, category, urgency, type] = labels;
    // A first event of a pair brings all of its series.
    if (helps[family] && experience && category && urgency && type)
      pairs.set(`${experience}|${category}|${urgency}|${type}`, [experience, category, urgency, type]);
  }
  const slis = sliFamilies.map(({ family, suffix, label, values }): Family => {
    const samples: Sample[] = [];
    for (const [pairKey, [experience, category, urgency, type]] of pairs) {
      for (const value of values) {
        const key = `${family}|${pairKey}|${value}`;
        samples.push({
          labels: { [idLabel]: experience, feature_category: category, urgency, type, [label]: value },
          value: counters.get(key) ?? 0,
          exemplar: family === "checkpoint" ? undefined : view.exemplars.get(key),
        });
      }
    }
    return { name: `${view.prefix}_${suffix}`, help: helps[family] ?? "", type: "counter", values: samples };
  });
  return [...slis, infoFamily(view, idLabel), ...otherFamilies.map((family) => plainFamily(family, byFamily))];
}

function plainFamily(
  { family, name, help, labels }: (typeof otherFamilies)[number],
  byFamily: ReadonlyMap<string, [labels: readonly string[], key: string, value: number][]>,
): Family {
  const samples = (byFamily.get(family) ?? []).map(([values, , value]): Sample => {
    const named = labels.map((label, index) => [label, values[index] ?? ""]);
    return { labels: Object.fromEntries(named), value };
  });
  return { name, help, type: "counter", values: samples };
}

function infoFamily({ prefix, definitions }: View, idLabel: string): Family {
  return {
    name: `${prefix}_info`,
    help: "One for each definition.",
    type: "gauge",
    values: definitions.map(({ id, featureCategory, urgency }) => ({
      labels: { [idLabel]: id, feature_category: featureCategory, urgency },
      value: 1,
    })),
  };
}

/** The label, and the log field, of an experience's id under a prefix. */
export function idLabelOf(prefix: string): string {
  return `${prefix.replace(/^gitlab_/, "")}_id`;
}
