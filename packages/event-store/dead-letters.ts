import type { Clock, Logger } from "@signalbox/kernel";
import { checkFunction, checkInteger, checkKeys } from "./check-options.js";
import { EventStoreError } from "./errors.js";
import { letterHolder } from "./event-blobs.js";
import type {
  DeadLetter,
  DeadLetterCursor,
  DeadLetterFilter,
  DeadLetterGroup,
  DeadLetterSum,
  DeadLetterTally,
} from "./records/records.js";
import {
  previewReplay,
  type ReplayDependencies,
  type ReplayOptions,
  type ReplayPreview,
  type ReplayResult,
  replayLetters,
} from "./replay.js";

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Where the next page begins; `null` after the last one. */
  readonly next: DeadLetterCursor | null;
}

/** Letters by their ids, or by what they have in common. */
export type DeadLetterSelection = readonly string[] | DeadLetterFilter;

/** What an operator can do with deliveries that were given up. @throws {EventStoreError} `EVT_FILTER_INVALID`. */
export interface DeadLetters {
  /** Newest first. Default limit 20, at most 1,000. */
  list(
    filter?: DeadLetterFilter,
    page?: { readonly limit?: number; readonly after?: DeadLetterCursor },
  ): Promise<DeadLetterPage>;
  get(id: string): Promise<DeadLetter | null>;
  /** Failures that look the same, largest group first. Default limit 20, at most 1,000. */
  groups(filter?: DeadLetterFilter, page?: { readonly limit?: number }): Promise<readonly DeadLetterGroup[]>;
  /** Letters in state `dead` by subscription; those without one are left out. */
  counts(): Promise<ReadonlyMap<string, number>>;
  /** Sums of letters in all states, by what their envelopes hold. */
  tally(by: DeadLetterTally): Promise<readonly DeadLetterSum[]>;
  /**
   * Puts letters back into the queue of their own subscription, with fresh attempts and without its condition, delay
   * or deduplication. A filter selects letters in state `dead`.
   * @throws {EventStoreError} `EVT_FILTER_EMPTY`; `EVT_DEAD_LETTER_STATE` for a named letter that is not dead;
   * `EVT_REPLAY_LIMIT` when one was replayed too often; both before anything is changed. `EVT_TRANSPORT_UNAVAILABLE`.
   */
  replay(selection: DeadLetterSelection, options: ReplayOptions & { readonly dryRun: true }): Promise<ReplayPreview>;
  replay(selection: DeadLetterSelection, options?: ReplayOptions): Promise<ReplayResult>;
  /** Gives letters up for good. @throws {EventStoreError} as `replay`. */
  discard(
    selection: DeadLetterSelection,
    options: { readonly reason: string },
  ): Promise<{ readonly discarded: number }>;
  /**
   * For data that must not be kept: discards letters in state `dead`, and of them and those that ended before only what
   * names them stays. Envelopes lose their data but for the fields in `keep`, errors their messages and stacks. A filter
   * selects letters in any state; those that are being replayed are left alone. May be repeated.
   */
  forget(
    selection: DeadLetterSelection,
    options: { readonly reason: string; readonly keep?: readonly string[] },
  ): Promise<{ readonly forgotten: number }>;
}

export interface DeadLetterDependencies extends ReplayDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Resolves when the transport can be used. */
  readonly open: () => Promise<void>;
}

const filterKeys: readonly (keyof DeadLetterFilter)[] = [
  "ids",
  "idPrefix",
  "subscription",
  "eventType",
  "reason",
  "state",
  "fingerprint",
  "correlationId",
  "sinceMs",
  "untilMs",
  "text",
];
const maxSelected = 10_000;
const lettersAtOnce = 500;

export function createDeadLetters(dependencies: DeadLetterDependencies): DeadLetters {
  const { records, open, clock, limits, logger, eventBlobs } = dependencies;

  /** One more than `limit`, if there is one; oldest first. */
  const select = async (selection: DeadLetterSelection, limit: number): Promise<readonly DeadLetter[]> => {
    if (isIds(selection)) {
      if (selection.length === 0) throw new EventStoreError("EVT_FILTER_EMPTY");
      const named = await Promise.all(selection.slice(0, limit + 1).map((id) => records.deadLetters.get(id)));
      const wrong = selection.filter((_, index) => named[index]?.state !== "dead");
      const [first] = wrong;
      if (first !== undefined)
        throw new EventStoreError("EVT_DEAD_LETTER_STATE", {
          message: describeState(first, named[selection.indexOf(first)]?.state),
          details: { ids: wrong.slice(0, 20) },
        });
      return named.filter((letter) => letter !== null);
    }
    checkFilter(selection);
    if (Object.values(selection).every((value) => value === undefined)) throw new EventStoreError("EVT_FILTER_EMPTY");
    const letters = await records.deadLetters.list({ ...selection, state: "dead" }, limit + 1);
    return letters.toReversed();
  };

  const refuseWornOut = (letters: readonly DeadLetter[], { force, by }: ReplayOptions): void => {
    const wornOut = letters.filter(({ replayCount }) => replayCount >= limits.maxReplays);
    if (wornOut.length === 0) return;
    const ids = wornOut.slice(0, 20).map(({ id }) => id);
    if (!force) throw new EventStoreError("EVT_REPLAY_LIMIT", { details: { ids, maxReplays: limits.maxReplays } });
    logger.warn("dead letters are replayed by force", { ids, count: wornOut.length, by: by ?? "unknown" });
  };

  const replay = async (
    selection: DeadLetterSelection,
    options: ReplayOptions = {},
  ): Promise<ReplayPreview & ReplayResult> => {
    checkReplayOptions(options);
    const limit = options.limit ?? maxSelected;
    await open();
    const found = await select(selection, limit);
    const letters = found.slice(0, limit);
    const nothing = { matched: 0, replayed: 0, failed: [], wouldReplay: 0, wouldFail: [], overLimit: false };
    if (options.dryRun) return { ...nothing, ...(await previewReplay(letters, found.length > limit, dependencies)) };
    refuseWornOut(letters, options);
    const result = await replayLetters(letters, options, clock.nowMs(), dependencies);
    logger.info("dead letters replayed", { ...result, failed: result.failed.length });
    return { ...nothing, ...result };
  };

  /** In any state, newest first. */
  async function* selected(selection: DeadLetterSelection): AsyncGenerator<DeadLetter> {
    if (isIds(selection)) {
      for (const id of selection) {
        const letter = await records.deadLetters.get(id);
        if (letter !== null) yield letter;
      }
      return;
    }
    checkFilter(selection);
    if (Object.values(selection).every((value) => value === undefined)) throw new EventStoreError("EVT_FILTER_EMPTY");
    let after: DeadLetterCursor | undefined;
    do {
      const letters = await records.deadLetters.list(selection, lettersAtOnce, after);
      yield* letters;
      const last = letters.length === lettersAtOnce ? letters.at(-1) : undefined;
      after = last && { deadAtMs: last.deadAtMs, id: last.id };
    } while (after !== undefined);
  }

  return {
    async list(filter = {}, { limit = 20, after } = {}) {
      checkFilter(filter);
      checkLimit(limit);
      await open();
      const letters = await records.deadLetters.list(filter, limit + 1, after);
      const page = letters.slice(0, limit);
      const last = page.at(-1);
      const next = letters.length > limit && last ? { deadAtMs: last.deadAtMs, id: last.id } : null;
      return { letters: page, next };
    },

    async get(id) {
      await open();
      return records.deadLetters.get(id);
    },

    async groups(filter = {}, { limit = 20 } = {}) {
      checkFilter(filter);
      checkLimit(limit);
      await open();
      return records.deadLetters.groups(filter, limit);
    },

    async counts() {
      await open();
      return records.deadLetters.counts();
    },

    async tally(by) {
      await open();
      return records.deadLetters.tally(by);
    },

    replay,

    async discard(selection, options) {
      const reason: unknown = options?.reason;
      if (typeof reason !== "string" || reason === "") throw filterInvalid("reason");
      await open();
      let discarded = 0;
      for (const { id } of (await select(selection, maxSelected)).slice(0, maxSelected)) {
        if (!(await records.deadLetters.discard(id, reason))) continue;
        await eventBlobs?.release(letterHolder(id));
        discarded++;
      }
      logger.info("dead letters discarded", { discarded, reason });
      return { discarded };
    },

    async forget(selection, { reason, keep = [] }) {
      await open();
      let forgotten = 0;
      for await (const letter of selected(selection)) {
        if (!(await records.deadLetters.forget(letter.id, withoutData(letter.event, keep), reason))) continue;
        await eventBlobs?.release(letterHolder(letter.id));
        forgotten++;
      }
      if (forgotten > 0) logger.info("dead letters forgotten", { forgotten, reason });
      return { forgotten };
    },
  };
}

/** An envelope with those fields of its data alone. */
function withoutData(event: string, keep: readonly string[]): string {
  const envelope: unknown = JSON.parse(event);
  if (typeof envelope !== "object" || envelope === null) return "{}";
  const rest = Object.entries(envelope).filter(([name]) => name !== "data" && name !== "dataref");
  const data: unknown = "data" in envelope ? envelope.data : undefined;
  if (typeof data !== "object" || data === null) return JSON.stringify(Object.fromEntries(rest));
  const kept = Object.entries(data).filter(([name]) => keep.includes(name));
  return JSON.stringify(Object.fromEntries([...rest, ["data", Object.fromEntries(kept)]]));
}

function describeState(id: string, state: DeadLetter["state"] | undefined): string {
  return state === undefined ? `There is no dead letter ${id}` : `The dead letter ${id} is ${state} already`;
}

function isIds(selection: DeadLetterSelection): selection is readonly string[] {
  return Array.isArray(selection);
}

function checkReplayOptions(options: ReplayOptions): void {
  checkKeys(options, ["dryRun", "ratePerSecond", "limit", "force", "by", "onBegin"], "", refuse);
  checkInteger(options.ratePerSecond, 1, 100_000, "ratePerSecond", refuse);
  checkInteger(options.limit, 1, maxSelected, "limit", refuse);
  checkFunction(options.onBegin, "onBegin", refuse);
}

function checkLimit(limit: number): void {
  checkInteger(limit, 1, 1_000, "limit", refuse);
}

function checkFilter(filter: DeadLetterFilter): void {
  checkKeys(filter, filterKeys, "", refuse);
}

function refuse(key: string): never {
  throw filterInvalid(key);
}

function filterInvalid(key: string): EventStoreError {
  return new EventStoreError("EVT_FILTER_INVALID", {
    message: `The filter has an unknown key or a bad value: ${key}`,
    details: { key },
  });
}
