import type { Clock, Logger } from "@signalbox/kernel";
import { type Batch, retryDelaysMs } from "./batches.js";
import type { PeerConnection } from "./connection.js";
import type { PeerUrl } from "./ports.js";
import type { BatchProof } from "./proof.js";
import { BatchFailure } from "./request.js";
import type { SyncMethod } from "./snapshot.js";

export type BatchEnd =
  | { readonly kind: "proven"; readonly proof: BatchProof }
  /** As often as it is tried. */
  | { readonly kind: "failed" }
  /** Its reason ended first. */
  | { readonly kind: "dropped" };

export interface BatchAttempts {
  readonly connection: PeerConnection;
  readonly signal: AbortSignal;
  readonly relay: PeerUrl;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How the batch is to be done at the next attempt. */
  methodFor(since: number | undefined): SyncMethod;
}

/** Tries a batch until it is proven or nothing helps, with longer and longer waits between. Never rejects. */
export async function syncUntilDone(batch: Batch, attempts: BatchAttempts): Promise<BatchEnd> {
  const { connection, signal, clock, logger, relay } = attempts;
  const { layer } = batch.portion;
  for (;;) {
    try {
      return { kind: "proven", proof: await connection.sync(batch, signal) };
    } catch (error) {
      if (signal.aborted) return { kind: "dropped" };
      const delayMs = retryDelaysMs[batch.retries];
      if (error instanceof BatchFailure) logger.info("a batch failed", { relay, layer, error, retries: batch.retries });
      else logger.warn("a batch ended unexpectedly", { relay, layer, error, retries: batch.retries });
      if (delayMs === undefined) return { kind: "failed" };
      if (!(await isOverAfter(delayMs, clock, signal))) return { kind: "dropped" };
      batch.retries++;
      batch.method = attempts.methodFor(batch.since);
    }
  }
}

/** False when the signal came first. */
async function isOverAfter(delayMs: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(delayMs, { signal });
    return true;
  } catch {
    return false;
  }
}
