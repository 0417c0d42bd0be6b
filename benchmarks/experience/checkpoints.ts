import { admit, type Checkpoint, createRegistry, parseDefinition, readPayload } from "@signalbox/experience";
import { ulid } from "@signalbox/kernel";

const reading = parseDefinition("create_merge_request", {
  description: "A user opens a merge request",
  feature_category: "code_review_workflow",
  urgency: "sync_fast",
});
if (reading.kind === "invalid") throw new TypeError("The benchmark's definition is invalid");

const registry = createRegistry([reading.definition]);

/** What a producer sends; without an event id, as the seed of the format has it. */
export function payloadOf(correlationId: string, checkpoint: string, timeMs = Date.now()): object {
  return {
    correlation_id: correlationId,
    covered_experience_id: "create_merge_request",
    checkpoint,
    type: "web",
    feature_category: "code_review_workflow",
    urgency: "sync_fast",
    client_timestamp: new Date(timeMs).toISOString(),
  };
}

export function checkpointOf(correlationId: string, checkpoint: string, timeMs?: number): Checkpoint {
  const payload = readPayload(payloadOf(correlationId, checkpoint, timeMs));
  if (payload.kind === "invalid") throw new TypeError(JSON.stringify(payload.faults));
  const admission = admit(payload.payload, registry, {
    tenant: "default",
    types: new Set(["web"]),
    discardReasons: new Set(),
    unknown: "reject",
  });
  if (admission.kind === "refused") throw new TypeError(admission.code);
  return admission.checkpoint;
}

/** Half starts, half ends, each end some way behind its start. */
export function journeys(count: number): Checkpoint[] {
  const ids = Array.from({ length: Math.ceil(count / 2) }, () => ulid());
  return [...ids.map((id) => checkpointOf(id, "start")), ...ids.map((id) => checkpointOf(id, "end"))].slice(0, count);
}

/** Calls `work` for each item, so many at a time; resolves with how many were done in a second. */
export async function inFlight<Item>(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item) => Promise<unknown>,
): Promise<number> {
  const startedMs = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return items.length / ((performance.now() - startedMs) / 1000);
}

export function chunksOf<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
