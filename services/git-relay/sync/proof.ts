import { hashFilters, type Portion } from "./filters.js";
import type { Certificate, ExclusionReason, SyncMethod } from "./snapshot.js";

/** What a finished batch knows about its portion. */
export interface BatchProof {
  readonly portion: Portion;
  readonly method: SyncMethod;
  readonly localCount: number;
  readonly remoteMissing: number | null;
  readonly missingHere: number;
  /** Events of the peer that are not here, by id. */
  readonly excluded: ReadonlyMap<string, ExclusionReason>;
  readonly incompleteReason: string | null;
}

/** Puts together what the batches of one layer have proven. @param failed whether one of them failed */
export function certify(proofs: readonly BatchProof[], failed: boolean, atMs: number): Certificate {
  const excluded: Record<ExclusionReason, number> = { held: 0, rejected: 0, refused: 0, expired: 0 };
  const ids = new Map(proofs.flatMap((proof) => [...proof.excluded]));
  for (const reason of ids.values()) excluded[reason]++;
  const sum = (of: (proof: BatchProof) => number): number => proofs.reduce((total, proof) => total + of(proof), 0);
  const missingHere = sum((proof) => proof.missingHere);
  const method = proofs.every((proof) => proof.method === "negentropy") ? "negentropy" : "req_eose";
  const incompleteReason =
    proofs.find((proof) => proof.incompleteReason !== null)?.incompleteReason ??
    (failed ? "batch_failed" : missingHere > 0 ? "missing_events" : null);
  return {
    method,
    proof: method === "negentropy" ? "negentropy" : "pages",
    at: atMs,
    filtersHash: hashFilters(proofs.map(({ portion }) => portion)),
    localCount: sum((proof) => proof.localCount),
    remoteMissing: proofs.some((proof) => proof.remoteMissing === null)
      ? null
      : sum((proof) => proof.remoteMissing ?? 0),
    missingHere,
    excluded,
    complete: incompleteReason === null,
    incompleteReason,
  };
}
