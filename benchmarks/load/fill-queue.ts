import { type Delivery, encodeEvent, type Transport } from "@signalbox/event-store";
import { jobFinished, jobPayload } from "./job-events.js";

const slice = 1_000;

/** Deliveries straight to the transport: making a million events is not what is measured. */
export async function fillQueue(transport: Transport, first: number, count: number): Promise<void> {
  const format = { source: "urn:signalbox:bench" };
  for (let from = first; from < first + count; from += slice)
    await transport.enqueue(
      Array.from({ length: Math.min(slice, first + count - from) }, (_, offset) =>
        delivery(encodeEvent(jobFinished.create(jobPayload(from + offset), format)), from + offset),
      ),
    );
}

function delivery(body: string, index: number): Delivery {
  const subscription = `stats.count_jobs/${jobFinished.type}`;
  return {
    id: `backlog-${index}.${subscription}`,
    subscriber: "stats.count_jobs",
    subscription,
    eventType: jobFinished.type,
    body,
    key: null,
    perKey: 1,
    dueAtMs: 0,
    maxPending: null,
    dedup: null,
  };
}
