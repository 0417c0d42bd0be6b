import type { Analytics } from "@signalbox/analytics";
import type { Database, TransactionHandle } from "@signalbox/database";
import type { BatchResult, DomainEvent, HandlerContext } from "@signalbox/event-store";
import {
  type Clock,
  errorCode,
  isRetryable,
  type Logger,
  type Metrics,
  type SignalboxError,
  urgentWorkNoted,
} from "@signalbox/kernel";
import type { Transaction } from "kysely";
import { announceCreated, announceMoved } from "../issues/announce-issues.js";
import { findIssuesWithEnoughUsers, unmuteIssues } from "../issues/unmute-by-users.js";
import { createProjectOptions, type InstanceDefaults } from "../projects/project-settings.js";
import { markWritten } from "../store/event-ids.js";
import { setUserCounts } from "../store/issues.js";
import type { MovedIssue } from "../store/move-issues.js";
import { type RecordedBatch, recordEvents } from "../store/record-events.js";
import { DigestError } from "./digest-errors.js";
import { createDigestMetrics, type DigestMetrics, type DigestStep } from "./digest-metrics.js";
import type { CountedEvent, DigestedEvent } from "./digested-event.js";
import { createOutageGate, type OutageGate } from "./outage-gate.js";
import { explainHash, type PrepareOptions, type ReceivedEvent } from "./prepare-event.js";
import { type Preparer, prepareHere } from "./prepare-pool.js";
import { recallEvents } from "./recall-events.js";
import { countUsersOf } from "./user-counts.js";
import { writeEvents } from "./write-events.js";

/** The part of the event store that is needed here. */
export interface TransactionalPublisher {
  publish(event: DomainEvent<unknown>, options: { readonly transaction: TransactionHandle }): Promise<unknown>;
}

export interface DigestDependencies extends InstanceDefaults {
  readonly database: Database;
  readonly analytics: Analytics;
  readonly publisher: () => TransactionalPublisher;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For how many days ids of events are remembered in the database. */
  readonly dedupDays: number;
  /** Events of one hash and hour that are all kept. */
  readonly keepPerHour: number;
  /** Default: the calling thread prepares. */
  readonly preparer?: Preparer;
  /** Counts outcomes of messages, once each. */
  readonly onOutcome?: (outcome: string) => void;
  /** Called with the projects whose ledger has changed, after each transaction that changed it. */
  readonly onCounted?: (projectIds: readonly number[]) => void;
  /** Called with blobs that nothing needs any more. */
  readonly onAbandoned?: (blobs: readonly string[]) => void;
  /** Called after each step of a batch. */
  readonly onStep?: (step: DigestStep) => void;
}

export interface Digest {
  /**
   * Takes a batch of received events through all steps: prepare → count (SQL) → write (analytics) → settle. Resolves
   * with the events that can never be stored; the others are in every counter and can be queried. Each event has this
   * effect once, however often, in whatever company and by however many workers it is handled, also when the process
   * is killed in between.
   * @throws {DigestError} `ET_STORE_AWAY`: nothing is wrong with the events, and all of them are to be handled again
   */
  handle(events: readonly ReceivedEvent[], context: Pick<HandlerContext, "signal" | "forEvent">): Promise<BatchResult>;
}

/** One message on its way through the steps. */
interface Work {
  readonly index: number;
  readonly received: ReceivedEvent;
  readonly options: PrepareOptions;
  readonly digested: DigestedEvent;
}

/**
 * What comes in waits for the transactions of the digest where the database has one writer. Smaller ones let it in between:
 * with 128 events the slowest hundredth of answers took half as long again, and a sixth fewer were taken.
 */
const eventsPerTransaction = 32;
/**
 * While nothing comes in, larger ones cost an eighth less of all processor time, as what events have in common is written
 * once. With 1,000 events the longest statements would hold the event loop for 50 ms on a busy machine.
 */
const eventsPerQuietTransaction = 500;

type Failures = { readonly index: number; readonly error: unknown }[];

export function createDigest(dependencies: DigestDependencies): Digest {
  const { database, analytics, clock, logger, onStep = () => {}, onOutcome = () => {} } = dependencies;
  const metrics = createDigestMetrics(dependencies.metrics);
  const gate = createOutageGate({
    clock,
    logger,
    dependencies: [
      { name: "analytics", ping: (signal) => analytics.ping(signal) },
      { name: "database", ping: (signal) => database.ping(signal) },
    ],
  });
  const writing = { analytics, clock, metrics, onStep };
  const projectOptions = createProjectOptions(database, dependencies);

  const timed = async <T>(step: DigestStep, work: () => Promise<T>): Promise<T> => {
    const startedMs = clock.monotonicMs();
    try {
      return await work();
    } finally {
      metrics.step(step, (clock.monotonicMs() - startedMs) / 1000);
    }
  };

  const record = async (works: readonly Work[], context: Pick<HandlerContext, "forEvent">): Promise<RecordedBatch> => {
    const causes = new Map(works.map((work) => [work.digested, work]));
    const events = [...causes.keys()];
    const explain = (event: DigestedEvent, hash: string): string => {
      const known = event.hashes.find((candidate) => candidate.hash === hash)?.explanation;
      if (known !== undefined) return known;
      const cause = causes.get(event);
      return cause === undefined ? "{}" : explainHash(cause.received, cause.options, hash);
    };
    const nowMs = clock.nowMs();
    const recalled = await recallEvents(analytics, events, nowMs - dependencies.dedupDays * dayMs);
    return database.transaction(async (transaction: Transaction<unknown>) => {
      const batch = await recordEvents(database, events, nowMs, transaction, {
        explain,
        recalled,
        keepPerHour: dependencies.keepPerHour,
      });
      for (const created of batch.created) {
        const cause = causes.get(created.cause)?.received;
        if (cause) await context.forEvent(cause, () => announceCreated(dependencies.publisher(), created, transaction));
      }
      await announceMoves(batch.moved, works, context, transaction);
      return batch;
    });
  };

  const announceMoves = async (
    moves: readonly MovedIssue[],
    works: readonly Work[],
    context: Pick<HandlerContext, "forEvent">,
    transaction: TransactionHandle,
  ): Promise<void> => {
    for (const moved of moves) {
      const cause = works.find(({ digested }) => digested === moved.cause)?.received;
      if (cause) await context.forEvent(cause, () => announceMoved(dependencies.publisher(), moved, transaction));
    }
  };

  /** Counts events; those that the database refuses are found by halving and left out. */
  const count = async (
    works: readonly Work[],
    context: Pick<HandlerContext, "signal" | "forEvent">,
    failures: Failures,
    isQuiet: () => boolean,
  ): Promise<CountedEvent[]> => {
    const toWrite: CountedEvent[] = [];
    for (let from = 0, size = 0; from < works.length; from += size) {
      size = isQuiet() ? eventsPerQuietTransaction : eventsPerTransaction;
      const together = works.slice(from, from + size);
      await isolate(together, failures, context.signal, async (part) => {
        const batch = await record(part, context);
        report(batch, metrics, onOutcome);
        if (batch.abandoned.length > 0) dependencies.onAbandoned?.(batch.abandoned);
        dependencies.onCounted?.([...new Set(batch.outcomes.map(({ projectId }) => projectId))]);
        toWrite.push(...batch.toWrite);
      });
    }
    return toWrite;
  };

  const write = async (
    counted: readonly CountedEvent[],
    works: readonly Work[],
    signal: AbortSignal,
    failures: Failures,
  ) => {
    const indexOf = new Map(works.map(({ digested, index }) => [digested, index]));
    const items = counted.map((event) => ({ index: indexOf.get(event.digested) ?? -1, event }));
    const written: CountedEvent[] = [];
    await isolate(items, failures, signal, async (part) => {
      const events = part.map(({ event }) => event);
      await writeEvents(writing, events, signal);
      written.push(...events);
    });
    return written;
  };

  /** A count that cannot be made is no reason to keep the events back; the next event of the issue makes it again. */
  const usersOf = async (written: readonly CountedEvent[]): Promise<ReadonlyMap<number, number>> => {
    try {
      return await countUsersOf(database, analytics, written);
    } catch (error) {
      if (isAway(error)) throw error;
      logger.error("users of issues could not be counted", { error });
      return new Map();
    }
  };

  const settle = async (
    written: readonly CountedEvent[],
    works: readonly Work[],
    context: Pick<HandlerContext, "forEvent">,
  ): Promise<void> => {
    if (written.length === 0) return;
    const users = await usersOf(written);
    const met = await findIssuesWithEnoughUsers(database, analytics, written, clock.nowMs());
    const unmuted = await database.transaction(async (transaction: Transaction<unknown>) => {
      const moved = await unmuteIssues(database, met, clock.nowMs(), transaction);
      await announceMoves(moved, works, context, transaction);
      await markWritten(
        database,
        written.map(({ digested }) => digested),
        transaction,
      );
      await setUserCounts(database, users, transaction);
      return moved;
    });
    metrics.issues("unmuted", unmuted.length);
    const nowMs = clock.nowMs();
    for (const { digested } of written) metrics.visible((nowMs - digested.receivedAtMs) / 1000);
  };

  const breather = createBreather(clock);

  const handle: Digest["handle"] = async (events, context) => {
    await gate.pass(context.signal);
    await breather.rest(context.signal);
    const startedMs = clock.monotonicMs();
    const requestsBefore = urgentWorkNoted();
    metrics.batch(events.length);
    const failures: Failures = [];
    const optionsOf = await projectOptions.load();
    const works = await timed("prepare", () => prepareAll(events, optionsOf, failures, dependencies.preparer));
    onStep("prepare");
    const isQuiet = (): boolean => urgentWorkNoted() === requestsBefore;
    const counted = await timed("count", () => count(works, context, failures, isQuiet));
    onStep("count");
    const written = await write(counted, works, context.signal, failures);
    await timed("settle", () => settle(written, works, context));
    onStep("settle");
    gate.stored();
    breather.batchTook(clock.monotonicMs() - startedMs, urgentWorkNoted() - requestsBefore);
    return { failed: failures };
  };

  return { handle: (events, context) => closingGate(gate, () => handle(events, context)) };
}

/** What is closed while a batch is under way belongs to a process that ends; the events are somebody else's then. */
const closedCodes: ReadonlySet<string | undefined> = new Set(["DATABASE_CLOSED", "ANALYTICS_CLOSED", "EVT_CLOSED"]);

/** Whether the failure lies in an engine and not in the events. */
export function isAway(error: unknown): boolean {
  return isRetryable(error) || closedCodes.has(errorCode(error));
}

/** From this many requests per second on, taking them in comes before digesting them. */
const busyRequestsPerSecond = 500;
const restFactor = 3;
const longestRestMs = 2_000;

/**
 * Under a burst the digest works a quarter of the time: what is in the queue is safe there, what is at the door is not
 * yet. Batches rest before they begin, for three times as long as the one before took.
 */
function createBreather(clock: Clock) {
  let restMs = 0;
  return {
    batchTook(tookMs: number, requests: number): void {
      const isBusy = requests > (busyRequestsPerSecond * tookMs) / 1000;
      restMs = isBusy ? Math.min(tookMs * restFactor, longestRestMs) : 0;
    },
    async rest(signal: AbortSignal): Promise<void> {
      if (restMs > 0) await clock.sleep(restMs, { signal });
    },
  };
}

/** Turns what an engine's absence throws into the one error that means it, and holds back the batches to come. */
async function closingGate<T>(gate: OutageGate, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof DigestError || !isAway(cause)) throw cause;
    gate.close(cause);
    throw new DigestError("ET_STORE_AWAY", { cause });
  }
}

const dayMs = 86_400_000;

async function prepareAll(
  events: readonly ReceivedEvent[],
  optionsOf: (projectId: number) => PrepareOptions,
  failures: Failures,
  preparer: Preparer | undefined,
): Promise<Work[]> {
  const requests = events.map((message) => ({ message, options: optionsOf(message.data.project_id) }));
  const prepared = await (preparer ? preparer.prepare(requests) : prepareHere(requests));
  const works: Work[] = [];
  for (const [index, received] of events.entries()) {
    const options = requests[index]?.options;
    const outcome = prepared[index];
    if (options === undefined || outcome === undefined) continue;
    if ("error" in outcome) failures.push({ index, error: outcome.error });
    else works.push({ index, received, options, digested: outcome.digested });
  }
  return works;
}

/**
 * Does `work` for all items at once, and when that fails for a reason that lies in an item, for ever smaller parts, until
 * the items at fault are alone. Failures that another attempt can mend concern everything and are thrown.
 */
async function isolate<Item extends { readonly index: number }>(
  items: readonly Item[],
  failures: Failures,
  signal: AbortSignal,
  work: (part: readonly Item[]) => Promise<void>,
): Promise<void> {
  if (items.length === 0) return;
  try {
    await work(items);
  } catch (error) {
    if (isAway(error) || signal.aborted) throw error;
    const [only] = items;
    if (items.length === 1 && only) {
      failures.push({ index: only.index, error: refused(error) });
      return;
    }
    const middle = Math.ceil(items.length / 2);
    await isolate(items.slice(0, middle), failures, signal, work);
    await isolate(items.slice(middle), failures, signal, work);
  }
}

function refused(cause: unknown): SignalboxError {
  return new DigestError("ET_EVENT_REFUSED", { cause, retryable: true });
}

function report(batch: RecordedBatch, metrics: DigestMetrics, onOutcome: (outcome: string) => void): void {
  metrics.issues("created", batch.created.length);
  for (const { kind } of batch.moved) metrics.issues(kind, 1);
  for (const { outcome } of batch.outcomes) onOutcome(outcome);
  for (const { digested } of batch.toWrite) metrics.grouped(digested.strategy, digested.groupingVersion);
}
