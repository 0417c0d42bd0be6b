import { type Announcement, isNewerVersion, kinds } from "@signalbox/nostr";
import { noItems, type SyncItems } from "./items.js";
import type { PeerUrl } from "./ports.js";

/** `state_only`: its announcement is held, so only what can release it is wanted. */
export type SyncLevel = "full" | "state_only";

/** What belongs to a name. The name is kept with it, so that thousands of equal texts become one. */
interface Named<Name> {
  readonly name: Name;
  readonly values: Set<string>;
}

interface Source {
  readonly id: string;
  readonly createdAt: number;
  readonly peers: readonly PeerUrl[];
}

/** A repository that is announced here: what to sync of it, and from whom. */
interface Repository {
  readonly address: string;
  readonly identifier: string;
  /** The announcement that is stored, the one that is held, or both. */
  readonly sources: Map<SyncLevel, Source>;
}

/** What should be synced: by repository, and from that by peer. In memory; rebuilt from the store at start. */
export class WantedIndex {
  readonly #repositories = new Map<string, Repository>();
  /** The root events of each repository that they name, announced or not. */
  readonly #roots = new Map<string, Named<string>>();
  readonly #rootEvents = new Map<
    string,
    { readonly author: string; readonly repositories: readonly Named<string>[] }
  >();
  readonly #addressesOfPeer = new Map<PeerUrl, Named<PeerUrl>>();
  #changed = new Set<PeerUrl>();

  /** Every peer that is named, with the number of repositories that name it. */
  peers(): ReadonlyMap<PeerUrl, number> {
    return new Map([...this.#addressesOfPeer].map(([peer, { values }]) => [peer, values.size]));
  }

  /** The peers of which something else is wanted than at the last call. */
  takeChanged(): ReadonlySet<PeerUrl> {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  /** What to sync from a peer. */
  of(peer: PeerUrl): SyncItems {
    const addresses = this.#addressesOfPeer.get(peer)?.values;
    if (!addresses) return noItems;
    const items = { states: new Set<string>(), repositories: new Set<string>(), roots: new Set<string>() };
    for (const address of addresses) {
      const repository = this.#repositories.get(address);
      if (!repository) continue;
      items.states.add(repository.identifier);
      if (levelOf(repository) === "state_only") continue;
      items.repositories.add(address);
      for (const root of this.#roots.get(address)?.values ?? []) items.roots.add(root);
    }
    return items;
  }

  /** A stored (`full`) or held announcement. An older version than the one known changes nothing. */
  addAnnouncement(announcement: Announcement, peers: readonly PeerUrl[], level: SyncLevel): void {
    const { address, identifier, id, createdAt } = announcement;
    const repository = this.#repositories.get(address) ?? { address, identifier, sources: new Map() };
    const known = repository.sources.get(level);
    if (known && !isNewerVersion({ id, created_at: createdAt }, { id: known.id, created_at: known.createdAt })) return;
    this.#change(repository, () => {
      const names = peers.map((peer) => this.#addressesOfPeer.get(peer)?.name ?? peer);
      repository.sources.set(level, { id, createdAt, peers: names });
      const held = repository.sources.get("state_only");
      if (level === "full" && held && held.createdAt <= createdAt) repository.sources.delete("state_only");
    });
  }

  /** The announcement is gone: deleted, expired, or no longer held. */
  removeAnnouncement(address: string, level: SyncLevel): void {
    const repository = this.#repositories.get(address);
    if (repository) this.#change(repository, () => repository.sources.delete(level));
  }

  /** @param addresses every repository that the event names */
  addRoot(id: string, author: string, addresses: readonly string[]): void {
    if (this.#rootEvents.has(id)) return;
    const repositories = addresses.map((address) => put(this.#roots, address, id));
    this.#rootEvents.set(id, { author, repositories });
    for (const address of addresses) this.#noteChange(address);
  }

  /** The author has deleted everything at the address up to that time. */
  deleteAddress(address: string, untilSeconds: number): void {
    const stored = this.#repositories.get(address)?.sources.get("full");
    if (stored && stored.createdAt <= untilSeconds) this.removeAnnouncement(address, "full");
  }

  /** The author has deleted an event: only an own one is meant. */
  deleteEvent(id: string, author: string): void {
    const root = this.#rootEvents.get(id);
    if (root?.author === author) {
      this.#rootEvents.delete(id);
      for (const { name } of root.repositories) {
        drop(this.#roots, name, id);
        this.#noteChange(name);
      }
    }
    for (const { address, sources } of this.#repositories.values()) {
      const isOwn = address.startsWith(`${kinds.announcement}:${author}:`);
      if (isOwn && sources.get("full")?.id === id) this.removeAnnouncement(address, "full");
    }
  }

  #change(repository: Repository, change: () => void): void {
    for (const peer of peersOf(repository)) {
      drop(this.#addressesOfPeer, peer, repository.address);
      this.#changed.add(peer);
    }
    change();
    if (repository.sources.size === 0) this.#repositories.delete(repository.address);
    else this.#repositories.set(repository.address, repository);
    for (const peer of peersOf(repository)) {
      put(this.#addressesOfPeer, peer, repository.address);
      this.#changed.add(peer);
    }
  }

  #noteChange(address: string): void {
    const repository = this.#repositories.get(address);
    if (repository) for (const peer of peersOf(repository)) this.#changed.add(peer);
  }
}

function levelOf(repository: Repository): SyncLevel {
  return repository.sources.has("full") ? "full" : "state_only";
}

function peersOf({ sources }: Repository): ReadonlySet<PeerUrl> {
  return new Set([...sources.values()].flatMap(({ peers }) => peers));
}

function put<Name>(index: Map<Name, Named<Name>>, name: Name, value: string): Named<Name> {
  const named = index.get(name) ?? { name, values: new Set() };
  named.values.add(value);
  index.set(name, named);
  return named;
}

function drop<Name>(index: Map<Name, Named<Name>>, name: Name, value: string): void {
  const named = index.get(name);
  named?.values.delete(value);
  if (named?.values.size === 0) index.delete(name);
}
