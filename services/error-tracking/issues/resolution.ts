import { compareReleases, type OrderedRelease } from "./release-order.js";

/** How an issue was resolved: what an event must be like to show that it was not. */
export type Resolution =
  /** Any event that is received later. */
  | { readonly kind: "now" }
  /** Events of this release or a later one, and events that name none. */
  | { readonly kind: "release"; readonly release: string }
  /** In whatever release comes after `base`, the newest one when the issue was resolved; null: there was none. */
  | { readonly kind: "next"; readonly base: string | null };

export function readResolution(json: string | null): Resolution {
  return json === null ? { kind: "now" } : JSON.parse(json);
}

/** What is known of the releases that a decision is about. */
export type KnownReleases = ReadonlyMap<string, OrderedRelease>;

/**
 * Whether an event shows that a resolved issue is back. One that was received before the issue was resolved never does,
 * however late it is looked at.
 */
export function isRegression(
  resolution: Resolution,
  resolvedAtMs: number,
  event: { readonly receivedAtMs: number; readonly release: string | undefined },
  releases: KnownReleases,
): boolean {
  if (event.receivedAtMs <= resolvedAtMs) return false;
  if (resolution.kind === "now") return true;
  if (resolution.kind === "next")
    return event.release !== undefined && isAfterBase(resolution.base, event.release, releases);
  if (event.release === undefined) return true;
  const [fixed, seen] = [releases.get(resolution.release), releases.get(event.release)];
  // A release that is not known yet cannot be older than what is known of it.
  if (fixed === undefined || seen === undefined) return event.release === resolution.release || fixed !== undefined;
  return compareReleases(seen, fixed) >= 0;
}

/** Whether a release is the one that an issue "resolved in the next release" has waited for. */
export function isAfterBase(base: string | null, release: string, releases: KnownReleases): boolean {
  if (base === null) return true;
  const [before, after] = [releases.get(base), releases.get(release)];
  return before !== undefined && after !== undefined && compareReleases(after, before) > 0;
}
