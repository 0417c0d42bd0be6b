const retryableStatuses: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

export function isRetryableStatus(status: number): boolean {
  return retryableStatuses.has(status);
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
    const { status, retryable, code } = results.get(index) ?? { status: 200, retryable: false, code: undefined };
    if (status < 300) judgement.accepted.push(checkpoint);
    else if (retryable) judgement.retryable.push(checkpoint);
    else {
      judgement.rejected.push(checkpoint);
      reasons.set(code ?? `status ${status}`, checkpoint);
    }
  }
  return judgement;
}

interface ItemResult {
  readonly status: number;
  readonly retryable: boolean;
  readonly code: string | undefined;
}

function resultsIn(body: unknown): ReadonlyMap<number, ItemResult> {
  const results = new Map<number, ItemResult>();
  if (!isRecord(body) || !Array.isArray(body["results"])) return results;
  for (const entry of body["results"]) {
    if (!isRecord(entry)) continue;
    const { index, status, retryable, error } = entry;
    if (typeof index !== "number" || typeof status !== "number") continue;
    const code = isRecord(error) && typeof error["code"] === "string" ? error["code"] : undefined;
    results.set(index, { status, retryable: retryable === true, code });
  }
  return results;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
