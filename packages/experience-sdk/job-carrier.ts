import type { CarriedExperience } from "./activity.js";
import { type Candidate, type Carrier, member, mostEntries, newestFirst, toEntry } from "./carrier.js";
import type { Signer } from "./signature.js";

const jobKey = "covered_experiences";
const labkitJobKeys = ["labkit_covered_experiences", "labkit_user_experiences"];

/** Writes the job's form, and its `correlation_id` unless there is one. */
export function injectJob(
  data: object,
  entries: readonly CarriedExperience[],
  correlationId: string | undefined,
  signer: Signer,
): void {
  const written: Record<string, object> = {};
  for (const entry of newestFirst(entries)) {
    const signature = signer.sign(entry);
    written[entry.id] = {
      start_time: new Date(entry.startedAtMs).toISOString(),
      correlation_id: entry.correlationId,
      run: entry.run,
      ...(signature ? { key_id: signature.keyId, signature: signature.value } : {}),
    };
  }
  if (Object.keys(written).length > 0) Object.assign(data, { [jobKey]: written });
  if (correlationId !== undefined && member(data, "correlation_id") === undefined)
    Object.assign(data, { correlation_id: correlationId });
}

/** Reads the job's form and those of LabKit. */
export function jobCandidates(carrier: Carrier): Candidate[] {
  const jobCorrelation = member(carrier, "correlation_id");
  const candidates: Candidate[] = [];
  for (const key of [jobKey, ...labkitJobKeys]) {
    const map = member(carrier, key);
    if (typeof map !== "object" || map === null || Array.isArray(map)) continue;
    for (const id of Object.keys(map).slice(0, mostEntries + 1))
      candidates.push(parseJobEntry(id, member(map, id), jobCorrelation));
  }
  return candidates;
}

function parseJobEntry(id: string, value: unknown, jobCorrelation: unknown): Candidate {
  if (typeof value !== "object" || value === null) return { entry: undefined, signature: undefined };
  const startTime = member(value, "start_time");
  const keyId = member(value, "key_id");
  const signature = member(value, "signature");
  return {
    entry: toEntry(
      id,
      member(value, "correlation_id") ?? jobCorrelation,
      member(value, "run"),
      typeof startTime === "string" && startTime.length <= 64 ? Date.parse(startTime) : Number.NaN,
    ),
    signature: typeof keyId === "string" && typeof signature === "string" ? { keyId, value: signature } : undefined,
  };
}
