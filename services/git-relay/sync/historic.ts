import type { Clock } from "@signalbox/kernel";
import { type FilterJson, readFilter } from "@signalbox/nostr";
import type { EventIntake } from "../accept-event.js";
import { countMatches } from "../query.js";
import type { RelayEvents } from "../store/port.js";
import type { Turns } from "../turns.js";
import type { Batch } from "./batches.js";
import { cut, filtersOf, minFilterValues, type Portion } from "./filters.js";
import type { PeerLink } from "./link.js";
import { NegentropyUnusable, reconcile } from "./negentropy-session.js";
import { type PageLimits, Pager } from "./pages.js";
import type { RejectedIndex } from "./ports.js";
import type { BatchProof } from "./proof.js";
import type { RefusedIds } from "./refused-ids.js";
import { Decisions, FilterRefused, requestStored } from "./request.js";
import type { ExclusionReason } from "./snapshot.js";

/** What catching up with one peer over one connection needs. */
export interface HistoricContext {
  readonly link: PeerLink;
  readonly events: RelayEvents;
  readonly intake: EventIntake;
  readonly rejected: RejectedIndex;
  readonly refusedIds: RefusedIds;
  readonly clock: Clock;
  /** Reconciliations at one time. */
  readonly sessions: Turns;
  /** Resolves with what is known of the peer's pages; learnt from by all batches of the connection. */
  pageLimits(): Promise<PageLimits>;
  /** Takes note that the peer cannot reconcile. */
  onNegentropyUnusable(reason: string): void;
  /** The peer takes no filters with so many values. */
  onFilterRefused(values: number): void;
}

const idsOfRequest = 300;
/** The first finds differences, the next ones prove that none is left, or find what came meanwhile. */
const maxRounds = 3;

/**
 * Catches up with one portion of what a peer has: by reconciliation, and in pages where the peer cannot do that or only
 * what is new is wanted. Resolves when every event that the peer sent for it has been decided.
 * @throws {BatchFailure} when the peer does not let us finish
 * @throws the signal's reason
 */
export async function syncBatch(batch: Batch, context: HistoricContext, signal: AbortSignal): Promise<BatchProof> {
  if (batch.method === "negentropy") {
    try {
      return await reconcileBatch(batch, context, signal);
    } catch (error) {
      if (!(error instanceof NegentropyUnusable)) throw error;
      context.onNegentropyUnusable(error.message);
      batch.method = "req_eose";
    }
  }
  return readBatch(batch, context, signal);
}

// By reconciliation

async function reconcileBatch(batch: Batch, context: HistoricContext, signal: AbortSignal): Promise<BatchProof> {
  const { portion } = batch;
  const excluded = new Map<string, ExclusionReason>();
  for (let round = 1; ; round++) {
    const { have, need } = await findDifferences(portion, context, signal);
    const missing = await subtractExcluded(need, excluded, context);
    if (missing.length === 0 || round === maxRounds) {
      return {
        portion,
        method: "negentropy",
        localCount: await countLocal(portion, context),
        remoteMissing: have,
        missingHere: missing.length,
        excluded: new Map([...excluded].filter(([id]) => need.has(id))),
        incompleteReason: null,
      };
    }
    await fetchIds(missing, excluded, batch, context, signal);
  }
}

async function findDifferences(
  portion: Portion,
  context: HistoricContext,
  signal: AbortSignal,
): Promise<{ readonly have: number; readonly need: ReadonlySet<string> }> {
  const { link, events, clock, sessions } = context;
  const now = Math.floor(clock.nowMs() / 1_000);
  const differences = await allOrNone(
    filtersOf(portion).map(
      (filter) => (joint) => sessions.take(() => reconcile(filter, { link, events, now, signal: joint })),
    ),
    signal,
  );
  return {
    have: differences.reduce((sum, { have }) => sum + have, 0),
    need: new Set(differences.flatMap(({ need }) => need)),
  };
}

/** Leaves out what is known not to be stored, and takes note of why. */
async function subtractExcluded(
  need: ReadonlySet<string>,
  excluded: Map<string, ExclusionReason>,
  { intake, rejected, refusedIds }: HistoricContext,
): Promise<readonly string[]> {
  const rejectedIds = need.size === 0 ? need : await rejected.remembered([...need]);
  for (const id of need) {
    if (intake.isWaiting(id)) excluded.set(id, "held");
    else if (rejectedIds.has(id)) excluded.set(id, "rejected");
    else if (refusedIds.has(id)) excluded.set(id, "refused");
  }
  return [...need].filter((id) => !excluded.has(id));
}

/**
 * Downloads events by their ids. Those that do not come are asked for once more, and then not for a day.
 * @throws {NegentropyUnusable} when nothing comes at all
 */
async function fetchIds(
  ids: readonly string[],
  excluded: Map<string, ExclusionReason>,
  batch: Batch,
  { link, refusedIds }: HistoricContext,
  signal: AbortSignal,
): Promise<void> {
  const missing = new Set(ids);
  const decisions = new Decisions((id, { excludedAs }) => {
    if (id !== undefined && excludedAs !== undefined) excluded.set(id, excludedAs);
  });
  for (const id of ids) batch.idsAsked.add(id);
  for (let tries = 1; tries <= 2 && missing.size > 0; tries++) {
    for (const some of chunk([...missing], idsOfRequest)) {
      batch.pages++;
      const onEvent: Parameters<typeof requestStored>[1]["onEvent"] = (reception) => {
        batch.received++;
        decisions.add(reception);
        if (reception.event && missing.delete(reception.event.id)) batch.idsSeen.add(reception.event.id);
      };
      await requestStored(link, { filter: { ids: some }, onEvent }, signal);
    }
  }
  await decisions.all();
  if (missing.size === 0) return;
  refusedIds.add(missing);
  if (missing.size === ids.length)
    throw new NegentropyUnusable("the peer gives none of the events that it claims to have");
}

// In pages

async function readBatch(batch: Batch, context: HistoricContext, signal: AbortSignal): Promise<BatchProof> {
  const excluded = new Map<string, ExclusionReason>();
  const decisions = new Decisions((id, { excludedAs }) => {
    if (id !== undefined && excludedAs !== undefined) excluded.set(id, excludedAs);
  });
  const saturated = await readPortion(batch.portion, { batch, decisions, context, signal });
  await decisions.all();
  return {
    portion: batch.portion,
    method: "req_eose",
    localCount: await countLocal(batch.portion, context),
    remoteMissing: null,
    missingHere: 0,
    excluded,
    incompleteReason: saturated ? "saturated_second" : null,
  };
}

interface Reading {
  readonly batch: Batch;
  readonly decisions: Decisions;
  readonly context: HistoricContext;
  readonly signal: AbortSignal;
}

/** Resolves with whether a second held more than could be read. */
async function readPortion(portion: Portion, reading: Reading): Promise<boolean> {
  const { values } = portion;
  try {
    let saturated = false;
    for (const filter of filtersOf(portion)) saturated = (await readFilterInPages(filter, reading)) || saturated;
    return saturated;
  } catch (error) {
    if (!(error instanceof FilterRefused) || values.length <= minFilterValues) throw error;
    const size = Math.max(minFilterValues, Math.ceil(values.length / 2));
    reading.context.onFilterRefused(values.length);
    let saturated = false;
    for (const part of cut(portion, size)) saturated = (await readPortion(part, reading)) || saturated;
    return saturated;
  }
}

async function readFilterInPages(filter: FilterJson, { batch, decisions, context, signal }: Reading): Promise<boolean> {
  const { since } = batch;
  const limits = await context.pageLimits();
  const pager = new Pager(since === undefined ? filter : { ...filter, since }, limits);
  batch.outstanding.add(pager);
  try {
    await readAllPages(pager, { batch, decisions, context, signal });
  } finally {
    batch.outstanding.delete(pager);
  }
  return pager.saturated;
}

async function readAllPages(pager: Pager, { batch, decisions, context, signal }: Reading): Promise<void> {
  for (let isOver = false; !isOver; ) {
    batch.pages++;
    const hint = await requestStored(
      context.link,
      {
        filter: pager.request,
        onEvent(reception) {
          batch.received++;
          decisions.add(reception);
          if (reception.event) pager.take(reception.event.id, reception.event.created_at);
        },
        onRestart: () => pager.restart(),
      },
      signal,
    );
    isOver = pager.end(hint) === "done";
  }
}

// Both

async function countLocal(portion: Portion, { events, clock }: HistoricContext): Promise<number> {
  const filters = filtersOf(portion).flatMap((json) => {
    const read = readFilter(json);
    return read.kind === "filter" ? [read.filter] : [];
  });
  const now = Math.floor(clock.nowMs() / 1_000);
  const options = { now, maxCount: Number.MAX_SAFE_INTEGER, isCancelled: () => false };
  return (await countMatches(events, filters, options)).count;
}

function chunk(ids: readonly string[], size: number): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(ids.length / size) }, (_, index) =>
    ids.slice(index * size, (index + 1) * size),
  );
}

/** Runs works together; the first failure ends the others, and is thrown when all have ended. */
async function allOrNone<T>(
  works: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal: AbortSignal,
): Promise<readonly T[]> {
  const abort = new AbortController();
  const joint = AbortSignal.any([signal, abort.signal]);
  let failure: { readonly error: unknown } | undefined;
  const results = await Promise.all(
    works.map(async (work) => {
      try {
        return await work(joint);
      } catch (error) {
        failure ??= { error };
        abort.abort(error);
        return undefined;
      }
    }),
  );
  if (failure) throw failure.error;
  return results.flatMap((result) => (result === undefined ? [] : [result]));
}
