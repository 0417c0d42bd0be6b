import { createHash } from "node:crypto";
import { repositoryAddress } from "./address.js";
import type { EventTemplate, VerifiedEvent } from "./event.js";
import { encodeNpub } from "./keys.js";
import { kinds } from "./kinds.js";
import { createSigner, type Signer } from "./signature.js";

/** Somebody whose key comes from a name, so that tests repeat. */
export function testSigner(name: string): Signer {
  return createSigner(new Uint8Array(createHash("sha256").update(`test key of ${name}`).digest()));
}

/** A signed event; what is left out is empty, of kind 1 and of 1 January 2026. */
export function signEvent(signer: Signer, template: Partial<EventTemplate> = {}): VerifiedEvent {
  const { created_at = 1_767_225_600, kind = 1, tags = [], content = "" } = template;
  return signer.sign({ created_at, kind, tags, content });
}

export interface TestRepository {
  readonly identifier: string;
  /** Hosts that the announcement names as relay and git server. */
  readonly domains: readonly string[];
  readonly maintainers?: readonly string[];
  readonly createdAt?: number;
  readonly name?: string;
}

/** An announcement of a repository that lives on the given hosts. */
export function signAnnouncement(owner: Signer, repository: TestRepository): VerifiedEvent {
  const { identifier, domains, maintainers = [], createdAt, name } = repository;
  const npub = encodeNpub(owner.publicKey);
  return signEvent(owner, {
    kind: kinds.announcement,
    ...(createdAt === undefined ? {} : { created_at: createdAt }),
    tags: [
      ["d", identifier],
      ...(name === undefined ? [] : [["name", name]]),
      ["clone", ...domains.map((domain) => `https://${domain}/${npub}/${encodeURIComponent(identifier)}.git`)],
      ["relays", ...domains.map((domain) => `wss://${domain}`)],
      ...(maintainers.length === 0 ? [] : [["maintainers", ...maintainers]]),
    ],
  });
}

/** A state with the given refs. */
export function signState(
  author: Signer,
  identifier: string,
  refs: Readonly<Record<string, string>> = {},
  createdAt?: number,
): VerifiedEvent {
  return signEvent(author, {
    kind: kinds.state,
    ...(createdAt === undefined ? {} : { created_at: createdAt }),
    tags: [["d", identifier], ...Object.entries(refs)],
  });
}

/** The tag that names a repository. */
export function repositoryTag(owner: Signer, identifier: string): [string, string] {
  return ["a", repositoryAddress(owner.publicKey, identifier)];
}
