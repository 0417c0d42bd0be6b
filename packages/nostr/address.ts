import type { NostrEvent } from "./event.js";
import { isHex32 } from "./hex.js";
import { classOfKind, kinds } from "./kinds.js";
import { tagValue } from "./tags.js";

/** What all versions of a replaceable or addressable event have in common. */
export interface Address {
  readonly kind: number;
  readonly pubkey: string;
  /** Value of the `d` tag; empty for replaceable kinds. */
  readonly identifier: string;
}

/** `kind:pubkey:identifier`, as tags name it. */
export function formatAddress({ kind, pubkey, identifier }: Address): string {
  return `${kind}:${pubkey}:${identifier}`;
}

/** Split on the first two colons only: the identifier may hold more. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(\d{1,5}):([0-9a-f]{64}):(.*)$/s.exec(text);
  const [, kindText = "", pubkey = "", identifier = ""] = match ?? [];
  const kind = Number(kindText);
  if (!match || kind > 65_535 || String(kind) !== kindText || !isHex32(pubkey)) return undefined;
  return { kind, pubkey, identifier };
}

/** The address of an event that has one. A missing `d` tag means an empty identifier; only the first counts. */
export function addressOf(event: Pick<NostrEvent, "kind" | "pubkey" | "tags">): Address | undefined {
  const kindClass = classOfKind(event.kind);
  if (kindClass === "replaceable") return { kind: event.kind, pubkey: event.pubkey, identifier: "" };
  if (kindClass !== "addressable") return undefined;
  return { kind: event.kind, pubkey: event.pubkey, identifier: tagValue(event, "d") ?? "" };
}

/** The address of a repository: that of its owner's announcement. */
export function repositoryAddress(pubkey: string, identifier: string): string {
  return formatAddress({ kind: kinds.announcement, pubkey, identifier });
}

type Version = Pick<NostrEvent, "id" | "created_at">;

/** Whether `one` is kept rather than `other`: the later one, of two at the same second the one with the lower id. */
export function isNewerVersion(one: Version, other: Version): boolean {
  if (one.created_at !== other.created_at) return one.created_at > other.created_at;
  return one.id < other.id;
}

/** For sorting, newest first; at the same second the lowest id first. */
export function compareNewestFirst(one: Version, other: Version): number {
  if (one.created_at !== other.created_at) return other.created_at - one.created_at;
  return one.id < other.id ? -1 : one.id > other.id ? 1 : 0;
}
