import { createPace } from "@signalbox/kernel";
import { type Filter, type NostrEvent, readEvent, tagValues } from "@signalbox/nostr";
import type { EventPosition, RelayEvents, StreamOptions } from "./store/port.js";

/** A match of a search, with how good it is. */
export interface RankedPosition extends EventPosition {
  readonly rank: number;
}

/** The matches of a search, newest first, page by page; an empty page at the end. */
export interface SearchStream {
  next(): Promise<readonly RankedPosition[]>;
  /** There are older events that were not looked at, since so many meet the other conditions. */
  readonly isCut: boolean;
}

const pageSize = 100;
/** Events that meet the other conditions; older ones are left out. */
const maxExamined = 20_000;
/** A word in what an event is called says more about it than one in the text. */
const titleWeight = 3;
const titles = ["name", "subject"] as const;

/** The words that are asked for. `key:value` asks for something that this relay does not know, and is passed over. */
export function searchWords({ search = "" }: Pick<Filter, "search">): readonly string[] {
  return [...new Set(search.split(/\s+/u).flatMap((part) => (/^\w+:\S+$/u.test(part) ? [] : wordsOf(part))))];
}

/** How well an event fits; 0 unless each of the words stands in it. */
export function rankOf(event: NostrEvent, words: readonly string[]): number {
  const counts = new Map(words.map((word) => [word, 0]));
  const count = (text: string, weight: number): void => {
    for (const word of wordsOf(text)) {
      const known = counts.get(word);
      if (known !== undefined) counts.set(word, known + weight);
    }
  };
  for (const title of titles) for (const text of tagValues(event, title)) count(text, titleWeight);
  for (const text of tagValues(event, "description")) count(text, 1);
  count(event.content, 1);
  const found = [...counts.values()];
  return found.includes(0) ? 0 : found.reduce((sum, one) => sum + one, 0);
}

/** Whether an event fits the words of a filter, if it has some. */
export function matchesSearch(filter: Filter, event: NostrEvent): boolean {
  const words = searchWords(filter);
  return words.length === 0 || rankOf(event, words) > 0;
}

/** Looks into what meets the other conditions. Nothing is kept for it, so it takes time; others get their turns. */
export function openSearch(
  events: RelayEvents,
  filter: Filter,
  words: readonly string[],
  options: StreamOptions,
): SearchStream {
  const stream = events.stream(filter, { ...options, pageSize });
  const pace = createPace({ rests: false });
  let examined = 0;
  let isCut = false;
  return {
    get isCut() {
      return isCut;
    },
    async next() {
      while (!isCut) {
        const page = await stream.next();
        if (page.length === 0) break;
        const texts = await events.load(
          page.map(({ id }) => id),
          options.now,
        );
        const found: RankedPosition[] = [];
        for (const position of page) {
          const read = readEvent(JSON.parse(texts.get(position.id) ?? "null"));
          const rank = read.kind === "event" ? rankOf(read.event, words) : 0;
          if (rank > 0) found.push({ ...position, rank });
          await pace();
        }
        examined += page.length;
        isCut = examined >= maxExamined;
        if (found.length > 0) return found;
      }
      return [];
    },
  };
}

function wordsOf(text: string): readonly string[] {
  return (
    text
      .normalize("NFKC")
      .toLowerCase()
      .match(/[\p{L}\p{N}_]+/gu) ?? []
  );
}
