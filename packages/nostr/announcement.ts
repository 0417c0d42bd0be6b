import { repositoryAddress } from "./address.js";
import type { NostrEvent } from "./event.js";
import { isHex32 } from "./hex.js";
import { decodeNpub } from "./keys.js";
import { kinds } from "./kinds.js";
import { isSameService, type ServiceAddress, serviceAddressOf } from "./relay-url.js";
import { firstTag, tagValue } from "./tags.js";

/** A repository announcement (NIP-34, kind 30617). */
export interface Announcement {
  readonly id: string;
  readonly createdAt: number;
  /** Its author: the owner of the repository. */
  readonly pubkey: string;
  readonly identifier: string;
  /** `30617:pubkey:identifier` */
  readonly address: string;
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly web: readonly string[];
  readonly clone: readonly string[];
  readonly relays: readonly string[];
  /** Further keys whose states may move the refs, as written; see `maintainerSet`. */
  readonly maintainers: readonly string[];
}

export type ReadAnnouncement =
  | { readonly kind: "announcement"; readonly announcement: Announcement }
  | { readonly kind: "invalid"; readonly reason: string };

/** Reads an event of kind 30617. */
export function readAnnouncement(event: NostrEvent): ReadAnnouncement {
  if (event.kind !== kinds.announcement) return invalid("an announcement is of kind 30617");
  const identifier = tagValue(event, "d");
  if (identifier === undefined) return invalid("the announcement has no d tag");
  if (!isIdentifier(identifier)) return invalid("the d tag is no identifier of a repository");
  for (const name of ["clone", "relays"]) {
    if (event.tags.filter((tag) => tag[0] === name).length > 1)
      return invalid(`there is more than one ${name} tag; write all values into one`);
  }
  return {
    kind: "announcement",
    announcement: {
      id: event.id,
      createdAt: event.created_at,
      pubkey: event.pubkey,
      identifier,
      address: repositoryAddress(event.pubkey, identifier),
      name: tagValue(event, "name"),
      description: tagValue(event, "description"),
      web: valuesOf(event, "web"),
      clone: valuesOf(event, "clone"),
      relays: valuesOf(event, "relays"),
      maintainers: valuesOf(event, "maintainers"),
    },
  };
}

const unsafeInIdentifier = /[/\\\p{Cc}]/u;

/** What may name a repository: 1 to 256 bytes, no path of any kind, no control characters. */
export function isIdentifier(text: string): boolean {
  if (text === "" || text === "." || text === ".." || unsafeInIdentifier.test(text)) return false;
  return Buffer.byteLength(text) <= 256;
}

/** Whether the announcement names the service both as relay and as git server. */
export function listsService(announcement: Announcement, service: ServiceAddress): boolean {
  return (
    announcement.relays.some((url) => isRelayOf(url, service)) &&
    announcement.clone.some((url) => {
      const target = readCloneUrl(url);
      return target !== undefined && isSameService(target.service, service);
    })
  );
}

function isRelayOf(url: string, service: ServiceAddress): boolean {
  const address = serviceAddressOf(url, ["ws:", "wss:"]);
  return address !== undefined && isSameService(address, service);
}

/** A clone address of a server that serves repositories by their owner's key. */
export interface CloneTarget {
  readonly service: ServiceAddress;
  /** Whether it is reached by `https`. */
  readonly secure: boolean;
  readonly pubkey: string;
  /** The last part of the path without `.git`, decoded. */
  readonly name: string;
}

/** Reads `http(s)://host[/path]/<npub>/<name>.git`; nothing for other git addresses. */
export function readCloneUrl(text: string): CloneTarget | undefined {
  const address = serviceAddressOf(text, ["http:", "https:"]);
  const match = address && /^(.*)\/(npub1[0-9a-z]+)\/([^/]+)\.git$/.exec(address.path);
  const [, path = "", npub = "", encodedName = ""] = match ?? [];
  const pubkey = decodeNpub(npub);
  const name = decodePath(encodedName);
  if (!address || !pubkey || name === undefined) return undefined;
  const service = { ...address, path: path.replace(/\/+$/, "") };
  return { service, secure: /^https:/i.test(text), pubkey, name };
}

function decodePath(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The keys among the maintainers of an announcement. */
export function validMaintainers(announcement: Pick<Announcement, "maintainers">): string[] {
  return [...new Set(announcement.maintainers)].filter(isHex32);
}

function valuesOf(event: NostrEvent, name: string): readonly string[] {
  return firstTag(event, name)?.slice(1) ?? [];
}

function invalid(reason: string): ReadAnnouncement {
  return { kind: "invalid", reason };
}
