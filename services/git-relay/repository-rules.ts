import { type Announcement, decodeNpub, isIdentifier, readPublicKey } from "@signalbox/nostr";
import { RelayError } from "./errors.js";

/** Whether an entry of a list means this repository. */
export type RepositoryRule = (repository: Pick<Announcement, "pubkey" | "identifier">) => boolean;

/**
 * Reads entries `npub1…`, `npub1…/identifier` and `identifier`.
 * @throws {RelayError} `RELAY_BAD_ENTRY` naming the entry
 */
export function readRepositoryRules(entries: readonly string[]): RepositoryRule[] {
  return entries.map((entry) => {
    const [head = "", identifier, ...more] = entry.split("/");
    const pubkey = decodeNpub(head);
    const looksLikeKey = head.startsWith("npub1") || identifier !== undefined;
    if (more.length > 0 || (looksLikeKey && !pubkey)) throw badEntry(entry);
    if (pubkey && identifier === undefined) return (repository) => repository.pubkey === pubkey;
    if (!isIdentifier(identifier ?? head)) throw badEntry(entry);
    if (!pubkey) return (repository) => repository.identifier === head;
    return (repository) => repository.pubkey === pubkey && repository.identifier === identifier;
  });
}

/** Reads `npub1…` and hex. @throws {RelayError} `RELAY_BAD_ENTRY` naming the entry */
export function readAuthors(entries: readonly string[]): Set<string> {
  return new Set(
    entries.map((entry) => {
      try {
        return readPublicKey(entry);
      } catch (cause) {
        throw badEntry(entry, cause);
      }
    }),
  );
}

function badEntry(entry: string, cause?: unknown): RelayError {
  return new RelayError("RELAY_BAD_ENTRY", {
    cause,
    message: `"${entry.slice(0, 100)}" names no author or repository`,
  });
}
