import { type Announcement, isNewerVersion, kinds } from "@signalbox/nostr";
import { emptyItems, noItems, type SyncItems } from "./items.js";
import type { PeerUrl } from "./ports.js";

/** `state_only`: its announcement is held, so only what can release it is wanted. */
export type SyncLevel = "full" | "state_only";

interface Source {
  readonly id: string;
  readonly createdAt: number;
  readonly peers: readonly PeerUrl[];
}

/**
 * A repository that is announced here, or that root events name. There are thousands: each text is kept once, and what
 * few of them have is absent from the others.
 */
interface Repository {
  readonly address: string;
  readonly identifier: string;
  /** The announcement that is stored, and the one that is held. */
  stored: Source | undefined;
  held: Source | undefined;
  roots: Set<string> | undefined;
}

interface RootEvent {
  /** The begin of the author's key as a number, a fifth of its size: it only has to tell authors apart. */
  readonly author: number;
  readonly repositories: readonly Repository[];
}

/** What to sync of a repository, and from whom. */
export interface WantedRepository {
  readonly relays: readonly PeerUrl[];
  readonly rootEvents: readonly string[];
  readonly syncLevel: SyncLevel;
}

/** What should be synced: by repository, and from that by peer. In memory; rebuilt from the store at start. */
export class WantedIndex {
  readonly #repositories = new Map<string, Repository>();
  readonly #rootEvents = new Map<string, RootEvent>();
  readonly #repositoriesOfPeer = new Map<PeerUrl, { readonly peer: PeerUrl; readonly wanted: Set<Repository> }>();
  /** When announcements, by address, and root events, by id, end: of those few that do. In seconds. */
  readonly #ends = new Map<string, number>();
  #changed = new Set<PeerUrl>();

  /** Every peer that is named, with the number of repositories that name it. */
  peers(): ReadonlyMap<PeerUrl, number> {
    return new Map([...this.#repositoriesOfPeer].map(([peer, { wanted }]) => [peer, wanted.size]));
  }

  /** What is wanted of a repository; nothing when it is not announced here. */
  repository(address: string): WantedRepository | undefined {
    const repository = this.#repositories.get(address);
    if (!repository || !isAnnounced(repository)) return undefined;
    return {
      relays: [...peersOf(repository)],
      rootEvents: [...(repository.roots ?? [])],
      syncLevel: levelOf(repository),
    };
  }

  /** The peers of which something else is wanted than at the last call. */
  takeChanged(): ReadonlySet<PeerUrl> {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  /** What to sync from a peer. */
  of(peer: PeerUrl): SyncItems {
    const wanted = this.#repositoriesOfPeer.get(peer)?.wanted;
    if (!wanted) return noItems;
    const items = emptyItems();
    for (const repository of wanted) {
      items.states.add(repository.identifier);
      if (levelOf(repository) === "state_only") continue;
      items.repositories.add(repository.address);
      for (const root of repository.roots ?? []) items.roots.add(root);
    }
    return items;
  }

  /**
   * A stored (`full`) or held announcement. An older version than the one known changes nothing.
   *
   * @param endsAtSeconds when a stored one ends; absent: it lasts
   */
  addAnnouncement(
    announcement: Announcement,
    peers: readonly PeerUrl[],
    level: SyncLevel,
    endsAtSeconds?: number,
  ): void {
    const { address, id, createdAt } = announcement;
    const repository = this.#at(address);
    const known = level === "full" ? repository.stored : repository.held;
    if (known && !isNewerVersion({ id, created_at: createdAt }, { id: known.id, created_at: known.createdAt })) return;
    if (level === "full") this.#noteEnd(address, endsAtSeconds);
    this.#change(repository, () => {
      const source = { id, createdAt, peers: peers.map((peer) => this.#repositoriesOfPeer.get(peer)?.peer ?? peer) };
      if (level === "state_only") repository.held = source;
      else {
        repository.stored = source;
        if (repository.held && repository.held.createdAt <= createdAt) repository.held = undefined;
      }
    });
  }

  /** The announcement is gone: deleted, expired, or no longer held. */
  removeAnnouncement(address: string, level: SyncLevel): void {
    const repository = this.#repositories.get(address);
    if (!repository) return;
    if (level === "full") this.#ends.delete(address);
    this.#change(repository, () => {
      if (level === "full") repository.stored = undefined;
      else repository.held = undefined;
    });
    this.#tidy(repository);
  }

  /**
   * @param addresses every repository that the event names
   * @param endsAtSeconds when it ends; absent: it lasts
   */
  addRoot(id: string, author: string, addresses: readonly string[], endsAtSeconds?: number): void {
    if (this.#rootEvents.has(id)) return;
    this.#noteEnd(id, endsAtSeconds);
    const repositories = addresses.map((address) => this.#at(address));
    this.#rootEvents.set(id, { author: numberOf(author), repositories });
    for (const repository of repositories) {
      repository.roots ??= new Set();
      repository.roots.add(id);
      this.#noteChange(repository);
    }
  }

  /** The author has deleted everything at the address up to that time. */
  deleteAddress(address: string, untilSeconds: number): void {
    const stored = this.#repositories.get(address)?.stored;
    if (stored && stored.createdAt <= untilSeconds) this.removeAnnouncement(address, "full");
  }

  /** The author has deleted an event: only an own one is meant. */
  deleteEvent(id: string, author: string): void {
    if (this.#rootEvents.get(id)?.author === numberOf(author)) this.#removeRoot(id);
    for (const { address, stored } of this.#repositories.values()) {
      const isOwn = address.startsWith(`${kinds.announcement}:${author}:`);
      if (isOwn && stored?.id === id) this.removeAnnouncement(address, "full");
    }
  }

  /** Drops what has ended by then; whether there was any. */
  expire(nowSeconds: number): boolean {
    const ended = [...this.#ends].filter(([, atSeconds]) => atSeconds <= nowSeconds);
    for (const [key] of ended) {
      if (this.#rootEvents.has(key)) this.#removeRoot(key);
      else this.removeAnnouncement(key, "full");
    }
    return ended.length > 0;
  }

  #noteEnd(key: string, atSeconds: number | undefined): void {
    if (atSeconds === undefined) this.#ends.delete(key);
    else this.#ends.set(key, atSeconds);
  }

  #removeRoot(id: string): void {
    const root = this.#rootEvents.get(id);
    this.#rootEvents.delete(id);
    this.#ends.delete(id);
    for (const repository of root?.repositories ?? []) {
      repository.roots?.delete(id);
      this.#noteChange(repository);
      this.#tidy(repository);
    }
  }

  #at(address: string): Repository {
    const known = this.#repositories.get(address);
    if (known) return known;
    const repository = {
      address,
      identifier: identifierOf(address),
      stored: undefined,
      held: undefined,
      roots: undefined,
    };
    this.#repositories.set(address, repository);
    return repository;
  }

  #change(repository: Repository, change: () => void): void {
    for (const peer of peersOf(repository)) {
      const known = this.#repositoriesOfPeer.get(peer);
      known?.wanted.delete(repository);
      if (known?.wanted.size === 0) this.#repositoriesOfPeer.delete(peer);
      this.#changed.add(peer);
    }
    change();
    for (const peer of peersOf(repository)) {
      const known = this.#repositoriesOfPeer.get(peer) ?? { peer, wanted: new Set() };
      known.wanted.add(repository);
      this.#repositoriesOfPeer.set(peer, known);
      this.#changed.add(peer);
    }
  }

  #noteChange(repository: Repository): void {
    for (const peer of peersOf(repository)) this.#changed.add(peer);
  }

  /** Forgets a repository that nobody announces and no root event names. */
  #tidy(repository: Repository): void {
    if (repository.roots?.size === 0) repository.roots = undefined;
    if (!isAnnounced(repository) && !repository.roots) this.#repositories.delete(repository.address);
  }
}

function isAnnounced({ stored, held }: Repository): boolean {
  return (stored ?? held) !== undefined;
}

function levelOf({ stored }: Repository): SyncLevel {
  return stored ? "full" : "state_only";
}

function peersOf({ stored, held }: Repository): ReadonlySet<PeerUrl> {
  return new Set([...(stored?.peers ?? []), ...(held?.peers ?? [])]);
}

/** What follows the kind and the key; it may have colons of its own. */
function identifierOf(address: string): string {
  return address.slice(address.indexOf(":", address.indexOf(":") + 1) + 1);
}

/** 52 bits of a key: as many as a number holds exactly. */
function numberOf(key: string): number {
  return Number.parseInt(key.slice(0, 13), 16);
}
