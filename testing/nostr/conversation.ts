import { createHash } from "node:crypto";
import { encodeNpub, kinds, repositoryAddress, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, signState, testSigner } from "@signalbox/nostr/testing";

export interface ConversationOptions {
  readonly identifier: string;
  /** `host:port` of the relays that serve it, reached without TLS. */
  readonly hosts: readonly string[];
  /** Further relays that have its events. */
  readonly relays?: readonly string[];
  /** Issues and patches. */
  readonly roots: number;
  /** To each of them: comments that name it and, in turn, ones that name the repository. Default 2. */
  readonly replies?: number;
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
  const { identifier, hosts, relays = [], roots, replies = 2 } = options;
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
    events.push(root);
    for (let reply = 0; reply < replies; reply++) {
      events.push(
        signEvent(owner, {
          kind: kinds.comment,
          created_at: root.created_at + 60 + reply,
          tags: [reply % 2 === 0 ? ["E", root.id] : ["A", address]],
          content: `To ${index}, for the ${reply + 1}. time.`,
        }),
      );
    }
  }
  return { address, announcement, events };
}
