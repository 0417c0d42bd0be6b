import { kinds, repositoryAddress, type Signer, type VerifiedEvent } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, signState, testSigner } from "@signalbox/nostr/testing";
import type { SeededRandom } from "./seeded-random.js";

/** A repository and the conversation about it. */
export interface WorldRepository {
  readonly owner: Signer;
  readonly identifier: string;
  readonly address: string;
  /** Hosts that the announcement names. */
  readonly domains: readonly string[];
  /** What a relay that hosts it should have in the end. */
  readonly events: readonly VerifiedEvent[];
  readonly announcement: VerifiedEvent;
  readonly roots: readonly VerifiedEvent[];
}

export interface RepositoryOptions {
  readonly random: SeededRandom;
  /** Also what its events are told apart by. */
  readonly name: string;
  readonly domains: readonly string[];
  /** Issues, patches and pull requests. */
  readonly roots?: number;
  /** To each of them, at most. */
  readonly replies?: number;
  /** Seconds. Default: the three months before the clock of a simulation begins. */
  readonly from?: number;
  readonly until?: number;
}

const defaultFrom = Date.UTC(2025, 9, 1) / 1_000;
const defaultUntil = Date.UTC(2025, 11, 31) / 1_000;
const rootKinds = [kinds.issue, kinds.patch, kinds.pullRequest] as const;

/** A repository with some history; the same name and seed give the same events. */
export function makeRepository(options: RepositoryOptions): WorldRepository {
  const { random, name, domains, roots: rootCount = 5, replies = 4 } = options;
  const { from = defaultFrom, until = defaultUntil } = options;
  const owner = testSigner(`owner of ${name}`);
  const address = repositoryAddress(owner.publicKey, name);
  const authors = Array.from({ length: 4 }, (_, index) => testSigner(`author ${index} at ${name}`));
  const someTime = (after = from): number => random.between(after, until);
  const announcement = signAnnouncement(owner, { identifier: name, domains, createdAt: from, name });
  const state = signState(
    owner,
    name,
    { "refs/heads/main": commitOf(random), HEAD: "ref: refs/heads/main" },
    someTime(),
  );
  const roots = Array.from({ length: rootCount }, (_, index) =>
    makeRoot(random.pick(authors), repositoryTag(owner, name), { random, index, createdAt: someTime() }),
  );
  const answers = roots.flatMap((root) =>
    Array.from({ length: random.below(replies + 1) }, () =>
      makeReply(random.pick(authors), root, address, { random, createdAt: someTime(root.created_at) }),
    ),
  );
  return {
    owner,
    identifier: name,
    address,
    domains,
    announcement,
    roots,
    events: [announcement, state, ...roots, ...answers],
  };
}

interface Detail {
  readonly random: SeededRandom;
  readonly createdAt: number;
}

/** An issue, a patch or a pull request. */
export function makeRoot(
  author: Signer,
  repository: readonly [string, string],
  { random, index, createdAt }: Detail & { readonly index: number },
): VerifiedEvent {
  const kind = random.pick(rootKinds);
  return signEvent(author, {
    kind,
    created_at: createdAt,
    tags: [
      [...repository],
      ["subject", `Matter ${index}`],
      ...(kind === kinds.pullRequest ? [["c", commitOf(random)]] : []),
    ],
    content: `About matter ${index}, ${random.below(1_000_000)}`,
  });
}

/** A comment or a status; as in the wild, some name the repository, too, and others only what they answer. */
export function makeReply(author: Signer, root: VerifiedEvent, address: string, detail: Detail): VerifiedEvent {
  const { random, createdAt } = detail;
  const isComment = random.chance(0.7);
  return signEvent(author, {
    kind: isComment ? kinds.comment : 1630 + random.below(4),
    created_at: createdAt,
    tags: [
      isComment ? [random.chance(0.5) ? "E" : "e", root.id] : ["e", root.id, "", "root"],
      ...(random.chance(0.3) ? [["a", address]] : []),
      ["p", root.pubkey],
    ],
    content: `An answer, ${random.below(1_000_000)}`,
  });
}

/** Events that concern no repository here. */
export function makeNoise(random: SeededRandom, count: number): VerifiedEvent[] {
  const author = testSigner("somebody else");
  return Array.from({ length: count }, () => {
    const created_at = random.between(defaultFrom, defaultUntil);
    const content = `Noise ${random.below(1_000_000)}`;
    return random.chance(0.5)
      ? signEvent(author, { created_at, content })
      : signAnnouncement(author, {
          identifier: `elsewhere-${random.below(1_000_000)}`,
          domains: ["elsewhere.example"],
          createdAt: created_at,
        });
  });
}

function commitOf(random: SeededRandom): string {
  return Array.from({ length: 40 }, () => random.below(16).toString(16)).join("");
}
