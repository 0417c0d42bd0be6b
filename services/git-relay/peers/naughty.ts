import type { Clock } from "@signalbox/kernel";
import type { NaughtyEntry, NaughtyList, PeerFailure, PeerUrl } from "../sync/ports.js";

/** Mistakes of a server that do not go away by trying again soon. */
export type NaughtyCategory = NaughtyEntry["category"];

export const naughtyCategories: readonly NaughtyCategory[] = [
  "dns_lookup_failed",
  "tls_certificate_invalid",
  "protocol_error",
];

export interface NaughtyListOptions {
  readonly clock: Clock;
  /** `relay.sync.naughty_hours`, as milliseconds. Default 12 h. */
  readonly listedMs?: number;
}

/** The list, and how many it holds. */
export interface CountedNaughtyList extends NaughtyList {
  counts(): Readonly<Record<NaughtyCategory, number>>;
}

const retryMs = 3_600_000;

/** Keeps those who made such a mistake from being called more than once an hour, from its first sighting on. */
export function createNaughtyList({ clock, listedMs = 12 * 3_600_000 }: NaughtyListOptions): CountedNaughtyList {
  const entries = new Map<PeerUrl, NaughtyEntry>();
  const lastTries = new Map<PeerUrl, number>();
  /** An entry from the future is left from before the clock was set back. */
  const isCurrent = ({ since, until }: NaughtyEntry): boolean => {
    const now = clock.nowMs();
    return since <= now && now < until;
  };
  const find = (url: PeerUrl): NaughtyEntry | null => {
    const entry = entries.get(url);
    return entry && isCurrent(entry) ? entry : null;
  };
  const clear = (url: PeerUrl): void => {
    entries.delete(url);
    lastTries.delete(url);
  };
  const nextAttemptAt = (url: PeerUrl): number | null => {
    const entry = find(url);
    if (!entry) return null;
    const next = (lastTries.get(url) ?? entry.since) + retryMs;
    return clock.nowMs() < next ? Math.min(next, entry.until) : null;
  };

  return {
    find,
    clear,
    nextAttemptAt,
    attemptAllowed: (url) => nextAttemptAt(url) === null,
    record(url, failure) {
      const category = classifyFailure(failure);
      if (!category) return;
      const now = clock.nowMs();
      const { since, until } = find(url) ?? { since: now, until: now + listedMs };
      entries.set(url, { category, since, until });
      lastTries.set(url, now);
    },
    onAttempt(url) {
      if (find(url)) lastTries.set(url, clock.nowMs());
    },
    restore(url, entry, triedAt) {
      entries.set(url, entry);
      if (triedAt !== null) lastTries.set(url, triedAt);
    },
    expire() {
      for (const [url, entry] of entries) if (!isCurrent(entry)) clear(url);
    },
    counts() {
      const counts = { dns_lookup_failed: 0, tls_certificate_invalid: 0, protocol_error: 0 };
      for (const entry of entries.values()) if (isCurrent(entry)) counts[entry.category]++;
      return counts;
    },
  };
}

/** Codes of failed certificate checks, as Node and OpenSSL name them. */
const certificateCodes = new Set([
  "CERT_CHAIN_TOO_LONG",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REJECTED",
  "CERT_REVOKED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "ERROR_IN_CERT_NOT_AFTER_FIELD",
  "ERROR_IN_CERT_NOT_BEFORE_FIELD",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "UNABLE_TO_DECRYPT_CERT_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Whether the code is that of a failed certificate check. */
export function isCertificateCode(code: string): boolean {
  return certificateCodes.has(code);
}

/** Answers of a proxy whose relay is away or busy at the moment, such as while it restarts. */
const passingAnswers = /^HTTP_(408|429|50[234]|52[0-7])$/;

/**
 * Whether a failed connection was such a mistake, by the code of its error. A name that cannot be resolved just now
 * (`EAI_AGAIN`), refusals, resets, timeouts, unreachable networks and overloaded servers are none.
 */
function classifyFailure({ kind, code }: PeerFailure): NaughtyCategory | null {
  if (code === "ENOTFOUND" || code === "ENODATA") return "dns_lookup_failed";
  if (isCertificateCode(code)) return "tls_certificate_invalid";
  if (kind === "protocol" && !passingAnswers.test(code)) return "protocol_error";
  return null;
}
