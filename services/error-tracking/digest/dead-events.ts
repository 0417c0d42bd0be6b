import type { Blobs } from "@signalbox/blobs";
import type {
  DeadLetter,
  DeadLetterFilter,
  DeadLetterSelection,
  DeadLetterState,
  DeadLetters,
} from "@signalbox/event-store";
import { errorCode } from "@signalbox/kernel";
import { eventReceived } from "../events/event-received.js";
import { itemReceived } from "../events/item-events.js";
import { ReadError } from "../issues/read-errors.js";
import { type RawItem, rawItemsOf, readLetterData } from "./letter-data.js";

/** What operators can do with events and items of a project that could not be stored. */
export interface DeadEvents {
  list(
    projectId: number,
    filter: DeadEventFilter,
    page: { readonly limit: number; readonly after?: DeadEventPosition },
  ): Promise<{ readonly letters: readonly DeadLetter[]; readonly next: DeadEventPosition | null }>;
  /** @throws {ReadError} `ET_DEAD_LETTER_NOT_FOUND` */
  get(projectId: number, id: string): Promise<DeadLetter>;
  /** The bytes as the client sent them, of each item of the letter; empty when they are not kept any longer. */
  readPayloads(letter: DeadLetter): Promise<readonly RawItem[]>;
  /**
   * Hands letters to the digest again, which takes them as received when they were. Resolves with how many.
   * @throws {ReadError} `ET_DEAD_LETTER_NOT_FOUND`, `ET_DEAD_LETTER_STATE` for one that is named
   */
  replay(projectId: number, selection: DeadEventSelection): Promise<number>;
  /** Gives letters up for good. Errors as those of `replay`. */
  remove(projectId: number, selection: DeadEventSelection): Promise<number>;
}

export type DeadEventPosition = NonNullable<Awaited<ReturnType<DeadLetters["list"]>>["next"]>;

export interface DeadEventFilter {
  readonly state?: DeadLetterState;
  readonly text?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

/** By ids, or by what they have in common. */
export type DeadEventSelection = readonly string[] | DeadEventFilter;

/** Letters that one call replays or deletes at most. */
const maxSelected = 10_000;

const subscriptions = {
  event: `error_tracking.digest/${eventReceived.type}`,
  items: `error_tracking.items/${itemReceived.type}`,
} as const;

/** The part of the event store that is needed here. */
export interface LetterStore extends Pick<DeadLetters, "list" | "get" | "discard" | "forget"> {
  replay(
    selection: DeadLetterSelection,
    options: { readonly limit: number; readonly ratePerSecond: number },
  ): Promise<{ readonly replayed: number }>;
}

export function createDeadEvents(letters: () => LetterStore, blobs: Blobs | undefined): DeadEvents {
  const keyOf = (projectId: number, id: string): string =>
    `${prefixOf(projectId)}${id}.${id.includes(":") ? subscriptions.items : subscriptions.event}`;

  const get: DeadEvents["get"] = async (projectId, id) => {
    const letter = await letters().get(keyOf(projectId, id));
    if (letter === null) throw new ReadError("ET_DEAD_LETTER_NOT_FOUND");
    return letter;
  };

  const select = async (
    projectId: number,
    selection: DeadEventSelection,
  ): Promise<readonly string[] | DeadLetterFilter> => {
    if (!isIds(selection)) return { ...selection, idPrefix: prefixOf(projectId) };
    for (const id of selection) await get(projectId, id);
    return selection.map((id) => keyOf(projectId, id));
  };

  const changing = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      if (errorCode(cause) === "EVT_DEAD_LETTER_STATE") throw new ReadError("ET_DEAD_LETTER_STATE", { cause });
      throw cause;
    }
  };

  return {
    get,

    list: (projectId, filter, page) => letters().list({ ...filter, idPrefix: prefixOf(projectId) }, page),

    async readPayloads(letter) {
      const data = await readLetterData(letter, blobs);
      return data === undefined ? [] : rawItemsOf(data);
    },

    replay: (projectId, selection) =>
      changing(async () => {
        const chosen = await select(projectId, selection);
        return (await letters().replay(chosen, { limit: maxSelected, ratePerSecond: 1000 })).replayed;
      }),

    remove: (projectId, selection) =>
      changing(async () => {
        const chosen = await select(projectId, selection);
        const { discarded } = await letters().discard(chosen, deletedByOperator);
        // What was given up for good need not be kept, and nobody has scrubbed it.
        const gone = isIds(chosen) ? chosen : { ...chosen, state: "discarded" as const };
        await letters().forget(gone, { ...deletedByOperator, keep: ledgerFields });
        return discarded;
      }),
  };
}

/** What the ledger needs to know of a letter whose data is gone. */
export const ledgerFields = ["key_id", "category", "quantities"] as const;

const deletedByOperator = { reason: "deleted_by_operator" } as const;

/** How the ids of all messages of a project begin. */
export function prefixOf(projectId: number): string {
  return `et:${projectId}:`;
}

/** What a letter is called outside: by its message, without the project that it can only be seen in. */
export function letterName({ id }: Pick<DeadLetter, "id">): string {
  return id.replace(/^et:\d+:/, "").replace(/\.error_tracking\..*$/s, "");
}

function isIds(selection: DeadEventSelection): selection is readonly string[] {
  return Array.isArray(selection);
}
