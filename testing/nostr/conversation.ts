import { createHash } from "node:crypto";
import { encodeNpub, kinds, repositoryAddress, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, signState, testSigner } from "@signalbox/nostr/testing";

export interface ConversationOptions {
  readonly identifier: string;
  /** `host:port` of the relays that serve it, reached without TLS. */
  readonly hosts: readonly string[];
  /** Further relays that have its events. */
  readonly relays?: readonly string[];
  /** Issues and patches; each is answered by one comment that names it and one that names the repository. */
  readonly roots: number;
}

export interface Conversation {
  /** `30617:pubkey:identifier` */
  readonly address: string;
  readonly announcement: VerifiedEvent;
  /** All events, the announcement first. */
  readonly events: readonly VerifiedEvent[];
}

const begin = Date.UTC(2026, 0, 1) / 1_000;

/** A repository with what was said about it. The same options give the same events. */
export function makeConversation(options: ConversationOptions): Conversation {
  const { identifier, hosts, relays = [], roots } = options;
  const owner = testSigner(`owner of ${identifier}`);
  const author = testSigner(`contributor to ${identifier}`);
  const address = repositoryAddress(owner.publicKey, identifier);
  const announcement = signEvent(owner, {
    kind: kinds.announcement,
    created_at: begin,
    tags: [
      ["d", identifier],
      ["clone", ...hosts.map((host) => `http://${host}/${encodeNpub(owner.publicKey)}/${identifier}.git`)],
      ["relays", ...hosts.map((host) => `ws://${host}`), ...relays],
    ],
  });
  const main = createHash("sha1").update(identifier).digest("hex");
  const events = [
    announcement,
    signState(owner, identifier, { HEAD: "ref: refs/heads/main", "refs/heads/main": main }, begin + 1),
  ];
  for (let index = 0; index < roots; index++) {
    const root = signEvent(author, {
      kind: index % 2 === 0 ? kinds.issue : kinds.patch,
      // Several in one second, as when a patch series is sent.
      created_at: begin + 10 + Math.floor(index / 3),
      tags: [
        ["a", address],
        ["subject", `Matter ${index}`],
      ],
      content: `About matter ${index}. `.repeat(8),
    });
    const comment = (tag: string[]): VerifiedEvent =>
      signEvent(owner, { kind: kinds.comment, created_at: root.created_at + 60, tags: [tag], content: `To ${index}.` });
    events.push(root, comment(["E", root.id]), comment(["A", address]));
  }
  return { address, announcement, events };
}
