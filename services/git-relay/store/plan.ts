import type { Engine, SqlValue } from "@signalbox/database";
import type { Filter } from "@signalbox/nostr";
import { indexKey } from "./index-key.js";
import type { StreamOptions } from "./port.js";
import { chunksOf, type Fragment, inList, joinFragments, passive } from "./statement.js";

/**
 * One way through an index in the order of results. Whether a row fits is a column and no condition: so a page is as many
 * rows as were looked at, and no statement goes on through rows of which none fits.
 */
export interface IndexScan {
  readonly tables: string;
  /** The table whose columns `created_at` and `id` say the order. */
  readonly order: "e" | "t";
  /** What the index serves. */
  readonly where: Fragment;
  /** Everything else that a row has to meet. */
  readonly fits: Fragment;
  /** Rows of one page: fewer where it is work to see whether one fits. */
  readonly maxRows: number;
}

/** More scans than this at once cost more than reading rows that other conditions then drop. */
const maxScans = 2_000;
const maxPairs = 256;
/** Tags that many events have in common; any other letter is a better way to them. */
const commonTags = new Set(["p", "t", "k", "K", "l", "L", "r", "P"]);

const maxRows = 500;
/** Beyond this an event's tags are gone through instead of looking for each value; it may have thousands of them. */
const maxLookups = 16;
const maxLaboriousRows = 64;

const events = "relay_events e";
const eventsByTag = "relay_event_tags t";

/**
 * The scans whose union is what the filter matches, each in the order of results. The most selective list decides: ids,
 * then a tag, then authors with kinds, authors, kinds, time.
 */
export function planScans(engine: Engine, filter: Filter, options: StreamOptions): IndexScan[] {
  const { ids, authors, kinds, tags } = filter;
  /** What all scans of a filter have in common is made once: there may be thousands of both, scans and values. */
  const scanAll = (drivers: readonly Fragment[], served: Served): IndexScan[] => {
    const fits = joinFragments(conditions(engine, filter, options, served), " and ");
    const bounds = times("e", filter);
    return drivers.map((driver) => ({
      tables: events,
      order: "e",
      where: joinFragments([driver, ...bounds], " and "),
      fits,
      maxRows: maxRowsOf(filter, served),
    }));
  };

  if (ids)
    return scanAll(
      chunksOf([...ids], 256).map((chunk) => inList("e.id", chunk)),
      { ids: true },
    );

  const letter = bestTag(tags);
  if (letter !== undefined) {
    const values = [...(tags.get(letter) ?? [])];
    const fits = fitsByTag(engine, filter, options, letter);
    return values.slice(0, maxScans).map((value) => ({
      tables: eventsByTag,
      order: "t",
      where: joinFragments(
        [{ sql: "t.name = ? and t.value = ?", values: [letter, indexKey(value)] }, ...times("t", filter)],
        " and ",
      ),
      fits,
      maxRows: maxRowsOf(filter, { tag: letter }),
    }));
  }
  if (authors && kinds && authors.size * kinds.size <= maxPairs)
    return scanAll(
      [...authors].flatMap((author) =>
        [...kinds].map((kind) => ({ sql: "e.pubkey = ? and e.kind = ?", values: [author, kind] })),
      ),
      { authors: true, kinds: true },
    );
  if (authors)
    return scanAll(
      [...authors].map((author) => ({ sql: "e.pubkey = ?", values: [author] })),
      { authors: true },
    );
  if (kinds)
    return scanAll(
      [...kinds].map((kind) => ({ sql: "e.kind = ?", values: [kind] })),
      { kinds: true },
    );
  return scanAll([{ sql: "1 = 1", values: [] }], {});
}

/** Conditions that the way through the index already meets. */
interface Served {
  readonly ids?: boolean;
  readonly authors?: boolean;
  readonly kinds?: boolean;
  readonly tag?: string;
}

function bestTag(tags: Filter["tags"]): string | undefined {
  const cost = (letter: string): number => (tags.get(letter)?.size ?? 0) * (commonTags.has(letter) ? 1_000 : 1);
  return [...tags.keys()].sort((one, other) => cost(one) - cost(other))[0];
}

function times(table: "e" | "t", { since, until }: Filter): Fragment[] {
  const conditions: Fragment[] = [];
  if (since !== undefined) conditions.push({ sql: `${table}.created_at >= ?`, values: [since] });
  if (until !== undefined) conditions.push({ sql: `${table}.created_at <= ?`, values: [until] });
  return conditions;
}

function isLaborious({ tags }: Filter, served: Served): boolean {
  return [...tags].some(([letter, values]) => letter !== served.tag && values.size > maxLookups);
}

function maxRowsOf(filter: Filter, served: Served): number {
  return isLaborious(filter, served) ? maxLaboriousRows : maxRows;
}

/** Looks at the event of a tag only when its kind fits, which the tag's row tells. */
function fitsByTag(engine: Engine, filter: Filter, options: StreamOptions, letter: string): Fragment {
  const ofEvent = joinFragments(conditions(engine, filter, options, { tag: letter, kinds: true }), " and ");
  const event: Fragment = {
    sql: `exists (select 1 from relay_events e where e.id = t.id and ${ofEvent.sql})`,
    values: ofEvent.values,
  };
  return filter.kinds ? joinFragments([inList("t.kind", filter.kinds), event], " and ") : event;
}

function conditions(engine: Engine, filter: Filter, options: StreamOptions, served: Served): Fragment[] {
  const found: Fragment[] = [{ sql: "(e.expires_at is null or e.expires_at > ?)", values: [options.now] }];
  if (filter.authors && !served.authors) found.push(inList("e.pubkey", filter.authors));
  if (filter.kinds && !served.kinds) found.push(inList("e.kind", filter.kinds));
  for (const [letter, values] of filter.tags) if (letter !== served.tag) found.push(hasTag(engine, letter, values));
  if (options.viewer) found.push(...visible(engine, options.viewer));
  return found;
}

function hasTag(engine: Engine, letter: string, values: ReadonlySet<string>): Fragment {
  const keys = [...values].map(indexKey);
  const [list, way] =
    keys.length > maxLookups
      ? [inList(passive(engine, "x.value"), keys), `x.id = e.id and ${passive(engine, "x.name")} = ?`]
      : [inList("x.value", keys), "x.created_at = e.created_at and x.id = e.id and x.name = ?"];
  return {
    sql: `exists (select 1 from relay_event_tags x where ${way} and ${list.sql})`,
    values: [letter, ...list.values],
  };
}

function visible(engine: Engine, { restrictedKinds, keys }: NonNullable<StreamOptions["viewer"]>): Fragment[] {
  if (restrictedKinds.length === 0) return [];
  const restricted = inList("e.kind", restrictedKinds);
  const ways: Fragment[] = [{ sql: `not (${restricted.sql})`, values: restricted.values }];
  if (keys.size > 0) ways.push(inList("e.pubkey", keys), hasTag(engine, "p", keys));
  const any = joinFragments(ways, " or ");
  return [{ sql: `(${any.sql})`, values: any.values }];
}

/** Goes on after a position. */
export function after(order: "e" | "t", position: { id: string; createdAt: number }): Fragment {
  const values: SqlValue[] = [position.createdAt, position.createdAt, position.id];
  return {
    sql: `${order}.created_at <= ? and (${order}.created_at < ? or ${order}.id > ?)`,
    values,
  };
}

/** Goes on after a position, as far as its second goes. */
export function inSecondAfter(order: "e" | "t", { id, createdAt }: { id: string; createdAt: number }): Fragment {
  return { sql: `${order}.created_at = ? and ${order}.id > ?`, values: [createdAt, id] };
}
