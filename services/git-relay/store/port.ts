import type { Announcement, Filter, NostrEvent, VerifiedEvent } from "@signalbox/nostr";
import type { Transaction } from "kysely";
import type { RelayTables } from "./migrations.js";

/** How an event came to this server: from a client, from another relay, or released with git data. */
export type EventSource = "client" | "sync" | "git";

export interface EventOrigin {
  readonly source: EventSource;
  /** The relay that it was fetched from. */
  readonly peer?: string;
  /** In canonical form. */
  readonly correlationId: string;
}

export interface NewEvent {
  readonly event: VerifiedEvent;
  readonly origin: EventOrigin;
  /** Whether events that refer to it are related to a repository because of it. */
  readonly anchor: boolean;
}

/** Where an event stands in the order of results: newest first, at the same second the lowest id first. */
export interface EventPosition {
  readonly id: string;
  readonly createdAt: number;
}

/** What the store knows of an event beside its text. */
export interface EventRecord extends EventPosition {
  readonly kind: number;
  readonly pubkey: string;
  /** Milliseconds since the Unix epoch. */
  readonly firstSeenAtMs: number;
  readonly source: EventSource;
  readonly peer: string | undefined;
  readonly correlationId: string;
  readonly raw: string;
}

/** Whose eyes see an answer. */
export interface Viewer {
  /** Kinds that only their author and the keys in their `p` tags may read. */
  readonly restrictedKinds: readonly number[];
  /** Keys that the viewer proved to have. */
  readonly keys: ReadonlySet<string>;
}

export interface StreamOptions {
  /** Seconds: events whose end is not later are passed over. */
  readonly now: number;
  /** Default: everything is seen. */
  readonly viewer?: Viewer;
  /** Goes on after this position. */
  readonly after?: EventPosition;
  /** Positions of one page, at most 500. Default 500. */
  readonly pageSize?: number;
  /** Is told how much each step of reading took, in rows of an index, whether they match or not. */
  readonly onRead?: (rows: number) => void;
  /** Asked between statements: once it says so, the stream is at its end. Default: it is read to its end. */
  readonly isCancelled?: () => boolean;
}

/**
 * Positions of matching events, newest first, each once, page by page. `limit` and `search` of the filter play no part.
 * What is stored or removed while it is read may be seen or not. Other work of the process gets its turn after at most
 * 1,000 rows, however few of them match.
 */
export interface EventStream {
  /** The next page; an empty one at the end, and from then on. One call at a time. */
  next(): Promise<readonly EventPosition[]>;
}

/** Why an event must not be stored (again). */
export interface Tombstone {
  /** Id of the deletion. */
  readonly deletionId: string;
}

/**
 * What has to be known to decide about some events, as one consistent view. The sets hold what was asked for: ids and
 * addresses of the events themselves and those that their tags name.
 */
export interface Facts {
  /** Ids, of the events or named by them, that are stored. */
  isStored(id: string): boolean;
  /** The stored version at the address of one of the events. */
  currentVersion(address: string): NostrVersion | undefined;
  /** Whether the author of one of the events has deleted it, by id or by address. */
  deletionOf(event: NostrEvent): Tombstone | undefined;
  /** Whether a named id is that of a stored event which relates others to a repository. */
  isAnchor(id: string): boolean;
  /** Whether a named address is that of a stored announcement. */
  isAnnounced(address: string): boolean;
  /** Whether a stored anchor names the event, by id or by address. */
  isReferredTo(event: NostrEvent): boolean;
  /** The stored announcements with the identifier of one of the events that is an announcement or a state. */
  announcementsOf(identifier: string): readonly Announcement[];
}

/** Facts for deciding one event after the other. */
export interface GrowingFacts extends Facts {
  /** From now on the facts are as if the event were stored. */
  add(event: NewEvent): void;
}

export interface NostrVersion {
  readonly id: string;
  readonly created_at: number;
}

/** What can be done inside one transaction. */
export interface EventUnit {
  /** For publishing domain events that become true with the commit. */
  readonly transaction: Transaction<RelayTables>;
  facts(events: readonly NostrEvent[]): Promise<GrowingFacts>;
  /**
   * Stores events that are not stored yet. At each address the version that was stored before goes, and of several given
   * ones the last stays.
   */
  store(events: readonly NewEvent[]): Promise<void>;
  /** Removes what a kind 5 event names and its author wrote, and remembers it. Resolves with the removed ids. */
  applyDeletion(deletion: VerifiedEvent): Promise<readonly string[]>;
  /** Changes when stored events end, in seconds; ids that are not stored are passed over. */
  setEnds(ends: ReadonlyMap<string, number>): Promise<void>;
}

/**
 * The events that the relay has stored. One per server; all methods may be called concurrently. Methods reject with
 * `RELAY_STORE_FAILED` where the database does not do its part, which is retryable unless the database says otherwise, and
 * `write` also with whatever its work rejects with.
 */
export interface RelayEvents {
  /**
   * Runs `work` in a transaction shared with other writers of the process and resolves once it is durable; when `work`
   * rejects, nothing of it remains. Units of all processes run one after the other, so what `facts` says holds until
   * the commit.
   */
  write<T>(work: (unit: EventUnit) => Promise<T>): Promise<T>;
  /** What is known about events and what they name, outside of a unit: others may write at the same time. */
  facts(events: readonly NostrEvent[]): Promise<GrowingFacts>;
  /** Which of the ids are stored. */
  known(ids: readonly string[]): Promise<ReadonlySet<string>>;
  stream(filter: Filter, options: StreamOptions): EventStream;
  /** The stored JSON texts by id, byte for byte; those that are gone or ended at `now` are missing. At most 500 ids. */
  load(ids: readonly string[], now: number): Promise<ReadonlyMap<string, string>>;
  find(id: string): Promise<EventRecord | undefined>;
  /** Id of the deletion that names this id, by whomever. */
  findDeletion(id: string): Promise<string | undefined>;
  /**
   * Calls back for each event that another process stores from now on, in the order of commits, soon after the commit.
   * On SQLite there is none. Returns the end of it.
   */
  follow(onEvent: (event: VerifiedEvent) => void): () => Promise<void>;
  /** How many events of a kind are stored. */
  count(kind: number): Promise<number>;
  /** Removes up to 500 events that ended at `now` or before; resolves with how many. */
  removeExpired(now: number): Promise<number>;
}
