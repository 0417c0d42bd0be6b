import { createHash } from "node:crypto";
import { createSigner, markVerified, repositoryAddress, type Signer, type VerifiedEvent } from "@signalbox/nostr";

/** Numbers from 0 to 1 that are the same each time. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const hexOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Signed events as clients of git collaboration send them: issues, patches and comments with their usual tags. */
export function signedEvents(count: number, from = 0): VerifiedEvent[] {
  const signers = Array.from({ length: 20 }, (_, index) => signerOf(index));
  return Array.from({ length: count }, (_, offset) => {
    const index = from + offset;
    const [signer, owner] = [signers[index % 20], signers[(index * 7) % 20]];
    if (!signer || !owner) throw new Error("there is no signer");
    return signer.sign({
      created_at: 1_767_000_000 + index,
      kind: [1621, 1617, 1111][index % 3] ?? 1111,
      tags: [
        ["a", repositoryAddress(owner.publicKey, `repository-${index % 50}`)],
        ["p", owner.publicKey],
        ["e", hexOf(`root ${index % 500}`), "wss://relay.example", "root"],
        ["subject", `Something about ${index}`],
        ["t", "bug"],
      ],
      content: `Event ${index}: `.padEnd(400, "words and more words "),
    });
  });
}

function signerOf(index: number): Signer {
  return createSigner(new Uint8Array(createHash("sha256").update(`key ${index}`).digest()));
}

export interface GitWorld {
  readonly repositories: readonly string[];
  readonly identifiers: readonly string[];
  readonly authors: readonly string[];
  readonly roots: readonly string[];
  events(): Generator<VerifiedEvent>;
}

/** Many events in the shape of git collaboration: 750 keys, repositories of which one in seven shares its name. Not signed. */
export function gitWorld(count: number): GitWorld {
  const random = createRandom(3);
  const pick = <T>(list: readonly T[]): T => {
    const found = list[Math.floor(random() ** 2 * list.length)];
    if (found === undefined) throw new Error("the list is empty");
    return found;
  };
  const authors = Array.from({ length: 750 }, (_, index) => hexOf(`author ${index}`));
  const named = Array.from({ length: 2_500 }, (_, index) => ({
    owner: authors[index % authors.length] ?? "",
    identifier: index % 7 === 0 ? `shared-${index % 50}` : `repository-${index}`,
  }));
  const repositories = [...new Set(named.map(({ owner, identifier }) => repositoryAddress(owner, identifier)))];
  const roots = Array.from({ length: Math.max(10, Math.floor(count / 25)) }, (_, index) => hexOf(`root ${index}`));
  const event = (index: number, pubkey: string, kind: number, tags: string[][], id = hexOf(`event ${index}`)) =>
    markVerified({
      id,
      pubkey,
      created_at: 1_700_000_000 + index * 60,
      kind,
      tags,
      content: `Event ${index} `.padEnd(300, "some words of a discussion "),
      sig: "0".repeat(128),
    });
  return {
    repositories,
    identifiers: [...new Set(named.map(({ identifier }) => identifier))],
    authors,
    roots,
    *events() {
      let index = 0;
      const seen = new Set<string>();
      for (const { owner, identifier } of named) {
        const address = repositoryAddress(owner, identifier);
        if (seen.has(address)) continue;
        seen.add(address);
        for (const kind of [30_617, 30_618])
          yield event(index++, owner, kind, [
            ["d", identifier],
            ["name", identifier],
          ]);
      }
      for (const id of roots) {
        const repository = pick(repositories);
        const tags = [
          ["a", repository],
          ["p", repository.split(":")[1] ?? ""],
          ["subject", "A subject"],
        ];
        yield event(index++, pick(authors), pick([1621, 1617, 1618]), tags, id);
      }
      while (index < count) {
        const repository = pick(repositories);
        const tags = [
          ["e", pick(roots), "", "root"],
          ["a", repository],
          ["p", repository.split(":")[1] ?? ""],
        ];
        yield event(index++, pick(authors), pick([1111, 1111, 1111, 1630, 1, 7]), tags);
      }
    },
  };
}

export interface AnnouncedWorldOptions {
  readonly repositories: number;
  readonly roots: number;
  /** Relays of which each announcement names some. */
  readonly relays: readonly string[];
  readonly relaysOfEach: number;
  /** Who serves the repositories. */
  readonly domain: string;
}

/** Announcements of repositories that live on several relays, and issues about them. Not signed. */
export function* announcedWorld(options: AnnouncedWorldOptions): Generator<VerifiedEvent> {
  const { repositories, roots, relays, relaysOfEach, domain } = options;
  const event = (name: string, index: number, pubkey: string, kind: number, tags: string[][]) =>
    markVerified({
      id: hexOf(`${name} ${index}`),
      pubkey,
      created_at: 1_760_000_000 + index,
      kind,
      tags,
      content: "",
      sig: "0".repeat(128),
    });
  const owner = (index: number): string => hexOf(`owner ${index % 750}`);
  for (let index = 0; index < repositories; index++) {
    const named = Array.from({ length: relaysOfEach }, (_, place) => relays[(index + place) % relays.length] ?? "");
    yield event("announcement", index, owner(index), 30_617, [
      ["d", `repository-${index}`],
      ["clone", `https://${domain}/repository-${index}.git`],
      ["relays", `wss://${domain}`, ...named],
    ]);
  }
  for (let index = 0; index < roots; index++) {
    const about = index % repositories;
    yield event("root", index, hexOf(`author ${index}`), 1621, [
      ["a", repositoryAddress(owner(about), `repository-${about}`)],
    ]);
  }
}
