import type { ProducerFigures as RecentFigures } from "../../producer-activity.js";
import type { Quarantine } from "../../quarantine.js";
import type { ProducerFigures } from "../../reports/producers.js";
import { listOf, nullable, object } from "./schemas.js";

const integer = { type: "integer" } as const;
const share = nullable("number", "Of all checkpoints; null without any.");

const counts = {
  checkpoints: { type: "integer", description: "Repetitions are not among them." },
  anomalous: { type: "integer", description: "Of these: with an anomaly." },
  anomalous_ratio: share,
  starts: integer,
  ends: integer,
  imbalance: nullable("number", "1: only starts, 0: as many ends as starts, -1: only ends; null without any."),
} as const;

export const producersSchema = listOf({
  producer: { type: "string" },
  ...counts,
  experiences: { type: "integer", description: "Different experiences that they are about." },
  last_at: { type: "string", format: "date-time" },
  last_hour: object(counts),
  odd: { type: "boolean", description: "Whether most of what it sent in the last five minutes has an anomaly." },
  counted: { type: "boolean", description: "False: what it sends is recorded and not counted." },
});

const countsExample = {
  checkpoints: 1200,
  anomalous: 12,
  anomalous_ratio: 0.01,
  starts: 400,
  ends: 392,
  imbalance: 0.0101,
} as const;

export const producerExample = {
  producer: "rails",
  ...countsExample,
  experiences: 3,
  last_at: "2026-03-01T00:00:00.000Z",
  last_hour: countsExample,
  odd: false,
  counted: true,
} as const;

type Counts = Pick<RecentFigures, "checkpoints" | "anomalous" | "starts" | "ends">;

const nothing: Counts = { checkpoints: 0, anomalous: 0, starts: 0, ends: 0 };

/** Odd ones first, then those with the largest part of anomalies. */
export function producerRows(
  tenant: string,
  figures: readonly ProducerFigures[],
  lastHour: readonly RecentFigures[],
  quarantine: Pick<Quarantine, "holds" | "isOdd">,
) {
  const past = new Map(figures.map((row) => [row.producer, row]));
  const recent = new Map(lastHour.map((row) => [row.producer, row]));
  return [...new Set([...past.keys(), ...recent.keys()])]
    .map((producer) => {
      const [before, now] = [past.get(producer), recent.get(producer)];
      return {
        producer,
        ...countsBody(before ?? nothing),
        experiences: before?.experiences ?? 0,
        last_at: new Date(Math.max(before?.lastAtMs ?? 0, now?.lastAtMs ?? 0)).toISOString(),
        last_hour: countsBody(now ?? nothing),
        odd: quarantine.isOdd(tenant, producer),
        counted: !quarantine.holds(tenant, producer),
      };
    })
    .sort(
      (a, b) =>
        Number(b.odd) - Number(a.odd) ||
        (b.anomalous_ratio ?? 0) - (a.anomalous_ratio ?? 0) ||
        (a.producer < b.producer ? -1 : 1),
    );
}

function countsBody({ checkpoints, anomalous, starts, ends }: Counts) {
  return {
    checkpoints,
    anomalous,
    anomalous_ratio: shareOf(anomalous, checkpoints),
    starts,
    ends,
    imbalance: shareOf(starts - ends, starts + ends),
  };
}

function shareOf(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000;
}
