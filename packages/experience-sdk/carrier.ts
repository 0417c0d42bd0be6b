import { canonicalCorrelationId, isCorrelationId } from "@signalbox/kernel/portable";
import type { CarriedExperience } from "./activity.js";
import { isRecord } from "./is-record.js";
import { isName, isRunName } from "./names.js";
import type { Signature, Signer } from "./signature.js";

/** Headers of a request, or the data of a job. */
export type Carrier = Headers | object;

/** What a carrier brought. */
export interface Extracted {
  /** Canonical. */
  readonly correlationId: string | undefined;
  readonly experiences: ReadonlyMap<string, CarriedExperience>;
}

/** Why an entry of a carrier was passed over. */
export type IgnoredReason = "malformed" | "unknown_experience" | "future" | "too_many" | "forged_context";

export interface ExtractOptions {
  readonly signer: Signer;
  readonly nowMs: number;
  isKnown(id: string): boolean;
  onIgnored(reason: IgnoredReason): void;
  /** What else than headers is read. */
  readonly otherCandidates?: ((carrier: object) => readonly Candidate[]) | undefined;
}

const headerName = "X-Covered-Experiences";
const correlationHeader = "X-Correlation-ID";
export const mostEntries = 16;
const longestHeader = 2_048;
const furthestAheadMs = 60_000;

const correlationPattern = /^[A-Za-z0-9_-]{8,64}$/;

/** Writes the header, newest runs first when not all fit, and the correlation id unless there is one. */
export function injectHeaders(
  carrier: Carrier,
  entries: readonly CarriedExperience[],
  correlationId: string | undefined,
  signer: Signer,
): void {
  const texts: string[] = [];
  let length = 0;
  for (const entry of newestFirst(entries)) {
    const text = headerEntry(entry, signer.sign(entry));
    if (length + text.length + 1 > longestHeader) break;
    texts.unshift(text);
    length += text.length + 1;
  }
  if (texts.length > 0) setHeader(carrier, headerName, texts.join(","));
  if (correlationId !== undefined && readHeader(carrier, correlationHeader) === undefined)
    setHeader(carrier, correlationHeader, correlationId);
}

/** Reads headers, and what else there is to be read. What cannot be believed is passed over entry by entry; never throws. */
export function extract(carrier: Carrier | undefined, options: ExtractOptions): Extracted {
  const experiences = new Map<string, CarriedExperience>();
  let correlationId: string | undefined;
  try {
    if (!isRecord(carrier)) return { correlationId, experiences };
    correlationId = carriedCorrelation(carrier);
    for (const candidate of [...headerCandidates(carrier), ...(options.otherCandidates?.(carrier) ?? [])]) {
      if (experiences.size === mostEntries) {
        options.onIgnored("too_many");
        break;
      }
      const { entry } = candidate;
      const reason = entry ? whyIgnored(entry, candidate.signature, options) : "malformed";
      if (reason) options.onIgnored(reason);
      else if (entry && !experiences.has(entry.id)) experiences.set(entry.id, entry);
    }
  } catch {
    options.onIgnored("malformed");
  }
  return { correlationId: correlationId ?? [...experiences.values()][0]?.correlationId, experiences };
}

/** An entry that may be believed or not. */
export interface Candidate {
  /** Absent when it cannot be read. */
  readonly entry: CarriedExperience | undefined;
  readonly signature: Signature | undefined;
}

function whyIgnored(
  entry: CarriedExperience,
  signature: Signature | undefined,
  { isKnown, nowMs, signer }: ExtractOptions,
): IgnoredReason | undefined {
  if (!isKnown(entry.id)) return "unknown_experience";
  if (entry.startedAtMs > nowMs + furthestAheadMs) return "future";
  return signer.accepts(entry, signature) ? undefined : "forged_context";
}

export function newestFirst(entries: readonly CarriedExperience[]): readonly CarriedExperience[] {
  return [...entries].sort((left, right) => right.startedAtMs - left.startedAtMs).slice(0, mostEntries);
}

function headerEntry({ id, correlationId, run, startedAtMs }: CarriedExperience, signature?: Signature): string {
  const signed = signature ? `;k=${signature.keyId};s=${signature.value}` : "";
  return `${id};c=${correlationId};r=${run};t=${startedAtMs}${signed}`;
}

function headerCandidates(carrier: Carrier): Candidate[] {
  const header = readHeader(carrier, headerName);
  if (header === undefined) return [];
  // A proxy may join headers; what is beyond the limit was not written by us.
  return header
    .slice(0, longestHeader)
    .split(",", mostEntries + 1)
    .map(parseHeaderEntry);
}

function parseHeaderEntry(text: string): Candidate {
  const [id = "", ...parts] = text.trim().split(";", 8);
  const partOf = (name: string): string | undefined => parts.find((part) => part.startsWith(`${name}=`))?.slice(2);
  const keyId = partOf("k");
  const value = partOf("s");
  const time = partOf("t") ?? "";
  return {
    entry: toEntry(id, partOf("c"), partOf("r"), /^\d{1,16}$/.test(time) ? Number(time) : Number.NaN),
    signature: keyId === undefined || value === undefined ? undefined : { keyId, value },
  };
}

export function toEntry(
  id: string,
  correlationId: unknown,
  run: unknown,
  startedAtMs: number,
): CarriedExperience | undefined {
  if (!isName(id) || typeof correlationId !== "string" || Number.isNaN(startedAtMs)) return undefined;
  const name = run ?? "1";
  if (!isRunName(name)) return undefined;
  const canonical = canonicalCorrelationId(correlationId);
  return correlationPattern.test(canonical) ? { id, correlationId: canonical, run: name, startedAtMs } : undefined;
}

function carriedCorrelation(carrier: Carrier): string | undefined {
  const id = readHeader(carrier, correlationHeader) ?? member(carrier, "correlation_id");
  return typeof id === "string" && isCorrelationId(id) ? canonicalCorrelationId(id) : undefined;
}

/** An own property, so that nothing inherited is mistaken for data. */
export function member(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? Reflect.get(object, name) : undefined;
}

function readHeader(carrier: Carrier, name: string): string | undefined {
  if (isHeaders(carrier)) return carrier.get(name) ?? undefined;
  const lower = name.toLowerCase();
  const value = member(carrier, lower) ?? memberInAnyCase(carrier, lower);
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.join(",") : undefined;
}

function memberInAnyCase(carrier: object, lower: string): unknown {
  const key = Object.keys(carrier).find((candidate) => candidate.toLowerCase() === lower);
  return key === undefined ? undefined : member(carrier, key);
}

function setHeader(carrier: Carrier, name: string, value: string): void {
  if (isHeaders(carrier)) carrier.set(name, value);
  else Object.assign(carrier, { [name]: value });
}

function isHeaders(carrier: Carrier): carrier is Headers {
  return "get" in carrier && typeof carrier.get === "function" && "set" in carrier && typeof carrier.set === "function";
}
