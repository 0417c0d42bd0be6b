import type { SqlValue } from "@signalbox/database";
import {
  type Address,
  type Announcement,
  addressOf,
  formatAddress,
  kinds,
  type NostrEvent,
  parseAddress,
  type References,
  readAnnouncement,
  readEvent,
  readReferences,
  tagValue,
  tagValues,
} from "@signalbox/nostr";
import { addressKey, indexKey } from "./index-key.js";
import type { GrowingFacts, NewEvent, NostrVersion, Tombstone } from "./port.js";
import { chunksOf, inList } from "./statement.js";

interface Deletion {
  readonly pubkey: string;
  /** Infinity for an id. */
  readonly until: number;
  readonly deletionId: string;
}

/** Facts that grow with what is decided: an event counts for those that come after it in the same transaction. */
export class FactSet implements GrowingFacts {
  readonly #recipientsDelete: boolean;
  /** By id: whether it is an anchor. */
  readonly stored = new Map<string, boolean>();
  readonly versions = new Map<string, NostrVersion>();
  /** By id or key of an address. */
  readonly deletions = new Map<string, Deletion[]>();
  readonly announced = new Set<string>();
  /** Ids and addresses that anchors name. */
  readonly referred = new Set<string>();
  /** By identifier. */
  readonly announcements = new Map<string, Announcement[]>();

  constructor(recipientsDelete: boolean) {
    this.#recipientsDelete = recipientsDelete;
  }

  isStored(id: string): boolean {
    return this.stored.has(id);
  }

  currentVersion(address: string): NostrVersion | undefined {
    return this.versions.get(address);
  }

  deletionOf(event: NostrEvent): Tombstone | undefined {
    if (event.kind === kinds.deletion) return undefined;
    const address = addressOf(event);
    return [event.id, ...(address ? [addressKey(address)] : [])]
      .flatMap((target) => this.deletions.get(target) ?? [])
      .find(({ pubkey, until }) => this.#mayDelete(pubkey, event) && event.created_at <= until);
  }

  isAnchor(id: string): boolean {
    return this.stored.get(id) === true;
  }

  isAnnounced(address: string): boolean {
    return this.announced.has(address);
  }

  isReferredTo(event: NostrEvent): boolean {
    const address = addressOf(event);
    return this.referred.has(event.id) || (address !== undefined && this.referred.has(formatAddress(address)));
  }

  announcementsOf(identifier: string): readonly Announcement[] {
    return this.announcements.get(identifier) ?? [];
  }

  #mayDelete(pubkey: string, event: NostrEvent): boolean {
    if (pubkey === event.pubkey) return true;
    return this.#recipientsDelete && event.kind === kinds.giftWrap && tagValues(event, "p").includes(pubkey);
  }

  /** From now on the facts are as if the event were stored. */
  add({ event, anchor }: NewEvent): void {
    const address = addressOf(event);
    if (address) {
      const text = formatAddress(address);
      const before = this.versions.get(text);
      if (before) this.stored.delete(before.id);
      this.versions.set(text, event);
    }
    this.stored.set(event.id, anchor);
    if (anchor) {
      const { ids, addresses } = readReferences(event);
      for (const reference of [...ids, ...addresses]) this.referred.add(reference);
    }
    const read = event.kind === kinds.announcement ? readAnnouncement(event) : undefined;
    if (read?.kind !== "announcement") return;
    this.announced.add(read.announcement.address);
    this.addAnnouncement(read.announcement);
  }

  addAnnouncement(announcement: Announcement): void {
    const others = this.announcementsOf(announcement.identifier).filter(({ pubkey }) => pubkey !== announcement.pubkey);
    this.announcements.set(announcement.identifier, [...others, announcement]);
  }
}

const eventsPerTurn = 64;
const statementsPerTurn = 256;
const announcementsPerTurn = 200;

/** Runs one statement of the transaction. */
type Query = <Row = unknown>(sql: string, values: readonly SqlValue[]) => Promise<readonly Row[]>;

/** Gathers what the database knows about some events and what their tags name. */
export async function gatherFacts(
  query: Query,
  events: readonly NostrEvent[],
  { recipientsDelete }: { readonly recipientsDelete: boolean },
): Promise<FactSet> {
  const facts = new FactSet(recipientsDelete);
  const references = new Map(events.map((event) => [event.id, readReferences(event)]));
  const named = [...references.values()];
  await gatherStored(query, facts, [...events.map(({ id }) => id), ...named.flatMap(({ ids }) => ids)]);
  const addresses = events.flatMap((event) => addressOf(event) ?? []);
  await gatherVersions(query, facts, addresses);
  await gatherDeletions(query, facts, [...events.map(({ id }) => id), ...addresses.map(addressKey)]);
  await gatherAnnounced(query, facts, new Set(named.flatMap((reference) => reference.addresses)));
  for (const [index, event] of events.entries()) {
    // SQLite answers at once, without leaving anybody else a turn.
    if (index % eventsPerTurn === eventsPerTurn - 1) await nextTurn();
    await gatherReferrers(query, facts, event, references.get(event.id));
  }
  await gatherAnnouncements(query, facts, events);
  return facts;
}

async function gatherStored(query: Query, facts: FactSet, ids: readonly string[]): Promise<void> {
  for (const chunk of chunksOf([...new Set(ids)], 500)) {
    const list = inList("id", chunk);
    const sql = `select id, anchor from relay_events where ${list.sql}`;
    const rows = await query<{ id: string; anchor: number }>(sql, list.values);
    for (const { id, anchor } of rows) facts.stored.set(id, anchor === 1);
  }
}

const byAddress = "select id, created_at from relay_events where pubkey = ? and kind = ? and d = ?";

async function gatherVersions(query: Query, facts: FactSet, addresses: readonly Address[]): Promise<void> {
  const distinct = new Map(addresses.map((address) => [formatAddress(address), address]));
  const pace = turnAfter(statementsPerTurn);
  for (const [text, { pubkey, kind, identifier }] of distinct) {
    await pace();
    const [version] = await query<NostrVersion>(byAddress, [pubkey, kind, indexKey(identifier)]);
    if (version) facts.versions.set(text, version);
  }
}

async function gatherDeletions(query: Query, facts: FactSet, targets: readonly string[]): Promise<void> {
  type Row = { target: string; pubkey: string; until: number | null; deletion_id: string };
  for (const chunk of chunksOf([...new Set(targets)], 500)) {
    const list = inList("target", chunk);
    const sql = `select target, pubkey, until, deletion_id from relay_deletions where ${list.sql}`;
    for (const { target, pubkey, until, deletion_id } of await query<Row>(sql, list.values)) {
      const deletion = { pubkey, until: until ?? Number.POSITIVE_INFINITY, deletionId: deletion_id };
      facts.deletions.set(target, [...(facts.deletions.get(target) ?? []), deletion]);
    }
  }
}

async function gatherAnnounced(query: Query, facts: FactSet, addresses: ReadonlySet<string>): Promise<void> {
  const pace = turnAfter(statementsPerTurn);
  for (const text of addresses) {
    const address = parseAddress(text);
    if (address?.kind !== kinds.announcement) continue;
    await pace();
    const found = await query(byAddress, [address.pubkey, address.kind, indexKey(address.identifier)]);
    if (found.length > 0) facts.announced.add(text);
  }
}

/** Asked only where nothing else relates the event: for most, a tag of its own does. */
async function gatherReferrers(
  query: Query,
  facts: FactSet,
  event: NostrEvent,
  references: References | undefined,
): Promise<void> {
  if (references?.ids.some((id) => facts.isAnchor(id))) return;
  if (references?.addresses.some((address) => facts.isAnnounced(address))) return;
  const address = addressOf(event);
  const ways = [
    { letters: "'e', 'E', 'q'", target: event.id },
    ...(address ? [{ letters: "'a', 'A', 'q'", target: formatAddress(address) }] : []),
  ];
  for (const { letters, target } of ways) {
    const found = await query(
      `select t.id from relay_event_tags t cross join relay_events e
       where t.name in (${letters}) and t.value = ? and e.id = t.id and e.anchor = 1 limit 1`,
      [indexKey(target)],
    );
    if (found.length > 0) facts.referred.add(target);
  }
}

async function gatherAnnouncements(query: Query, facts: FactSet, events: readonly NostrEvent[]): Promise<void> {
  const about = events.filter(({ kind }) => kind === kinds.announcement || kind === kinds.state);
  for (const identifier of new Set(about.flatMap((event) => tagValue(event, "d") ?? []))) {
    await gatherNamesakes(query, facts, identifier);
  }
}

/** Page by page: anybody can announce what he likes, so there may be many. */
async function gatherNamesakes(query: Query, facts: FactSet, identifier: string): Promise<void> {
  const byAuthor = new Map<string, Announcement>();
  for (let after = { id: "", created_at: Number.MAX_SAFE_INTEGER }; ; ) {
    const rows = await query<NostrVersion & { raw: string }>(
      `select t.id, t.created_at, e.raw from relay_event_tags t cross join relay_events e
       where t.name = 'd' and t.value = ? and t.created_at <= ? and (t.created_at < ? or t.id > ?)
         and e.id = t.id and e.kind = ${kinds.announcement}
       order by t.created_at desc, t.id limit ${announcementsPerTurn}`,
      [indexKey(identifier), after.created_at, after.created_at, after.id],
    );
    for (const { raw } of rows) {
      const announcement = readStoredAnnouncement(raw);
      // Further d tags of an event are in the index, too, but only the first counts.
      if (announcement?.identifier === identifier) byAuthor.set(announcement.pubkey, announcement);
    }
    const last = rows.at(-1);
    if (!last || rows.length < announcementsPerTurn) break;
    after = last;
    await nextTurn();
  }
  facts.announcements.set(identifier, [...byAuthor.values()]);
}

/** The announcement in a stored text; nothing when its syntax would not be accepted any more. */
export function readStoredAnnouncement(raw: string): Announcement | undefined {
  const event = readEvent(JSON.parse(raw));
  const read = event.kind === "event" ? readAnnouncement(event.event) : undefined;
  return read?.kind === "announcement" ? read.announcement : undefined;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** SQLite answers at once, without leaving anybody else a turn: to be awaited before each of many statements. */
export function turnAfter(statements: number): () => Promise<void> | undefined {
  let asked = 0;
  return () => (++asked % statements === 0 ? nextTurn() : undefined);
}
