import { isRecord } from "./is-record.js";

export function isRetryableStatus(status: number): boolean {
  return [408, 429, 502, 503, 504].includes(status);
}

export interface BatchJudgement<Item> {
  readonly accepted: Item[];
  readonly rejected: Item[];
  readonly retryable: Item[];
  /** One of the rejected for each reason that the tracker gives. */
  readonly reasons: ReadonlyMap<string, Item>;
}

/** Sorts a batch by the answer's results. What the answer says nothing about is accepted: its status was 2xx. */
export function judgeBatch<Item>(checkpoints: readonly Item[], body: unknown): BatchJudgement<Item> {
  const results = resultsIn(body);
  const reasons = new Map<string, Item>();
  const judgement: BatchJudgement<Item> = { accepted: [], rejected: [], retryable: [], reasons };
  for (const [index, checkpoint] of checkpoints.entries()) {
    const { status, retryable, error } = results.get(index) ?? {};
    if (typeof status !== "number" || status < 300) judgement.accepted.push(checkpoint);
    else if (retryable === true) judgement.retryable.push(checkpoint);
    else {
      judgement.rejected.push(checkpoint);
      reasons.set(
        isRecord(error) && typeof error["code"] === "string" ? error["code"] : `status ${status}`,
        checkpoint,
      );
    }
  }
  return judgement;
}

type Entry = Readonly<Record<string, unknown>>;

function resultsIn(body: unknown): ReadonlyMap<unknown, Entry> {
  const results: unknown = isRecord(body) ? body["results"] : undefined;
  return new Map(Array.isArray(results) ? results.filter(isRecord).map((entry) => [entry["index"], entry]) : []);
}
