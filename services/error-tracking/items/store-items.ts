import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import type { BatchResult, HandlerContext } from "@signalbox/event-store";
import type { Transaction } from "kysely";
import { isAway } from "../digest/digest.js";
import { DigestError } from "../digest/digest-errors.js";
import type { PrepareOptions } from "../digest/prepare-event.js";
import { userHashOf } from "../digest/prepare-event.js";
import { dashed } from "../digest/user-counts.js";
import type { ReceivedItems } from "../events/item-events.js";
import { createProjectOptions, type InstanceDefaults } from "../projects/project-settings.js";
import { insertAttachments } from "../store/attachments.js";
import { recordCheckIns } from "../store/check-ins.js";
import { addClientDiscards } from "../store/client-discards.js";
import { lockProjects } from "../store/counters.js";
import { insertFeedback, linkFeedback } from "../store/feedback.js";
import { claimMessages } from "../store/item-messages.js";
import { addToLedger, type LedgerEntry } from "../store/ledger.js";
import { makeReleases } from "../store/make-releases.js";
import { existingProjects } from "../store/record-events.js";
import { type PreparedItems, prepareItems } from "./prepare-items.js";
import type { CheckIn } from "./read-check-in.js";
import type { SessionState } from "./read-session.js";

export interface StoreItemsDependencies extends InstanceDefaults {
  readonly database: Database;
  readonly analytics: Analytics;
  /** Counts outcomes of items, once each. */
  readonly onOutcome?: (itemType: string, outcome: string, quantity: number) => void;
  /** Told of check-ins, once each. */
  readonly onCheckIn?: (status: CheckIn["status"]) => void;
}

export interface ItemStorage {
  /**
   * Stores what messages of items carry. Each has its effect once, however often, in whatever company and by however
   * many workers it is handled, also when the process is killed in between. Resolves with the messages that can never
   * be stored.
   * @throws {DigestError} `ET_STORE_AWAY`: nothing is wrong with them, and all are to be handled again
   */
  handle(messages: readonly ReceivedItems[], context: Pick<HandlerContext, "signal">): Promise<BatchResult>;
}

interface Work {
  readonly index: number;
  readonly prepared: PreparedItems;
}

export function createItemStorage(dependencies: StoreItemsDependencies): ItemStorage {
  const { database, analytics, onOutcome = () => {}, onCheckIn = () => {} } = dependencies;
  const projectOptions = createProjectOptions(database, dependencies);

  const record = (messages: readonly PreparedItems[]): Promise<Recorded> =>
    database.transaction(async (transaction: Transaction<unknown>) => {
      const living = await existingProjects(database, messages, transaction);
      await lockProjects(database, [...living], transaction);
      const { fresh, copies } = await claimMessages(
        database,
        messages.filter(({ projectId }) => living.has(projectId)),
        transaction,
      );
      await addClientDiscards(
        database,
        fresh.flatMap(({ clientDiscards }) => clientDiscards),
        transaction,
      );
      const checkIns = belonging(fresh, "checkIns");
      await recordCheckIns(database, checkIns, transaction);
      const feedback = belonging(fresh, "feedback");
      await insertFeedback(database, feedback, transaction);
      await linkFeedback(
        database,
        feedback.flatMap(({ projectId, eventId }) => (eventId === undefined ? [] : [{ projectId, eventId }])),
        transaction,
      );
      await insertAttachments(
        database,
        fresh.flatMap(({ attachments }) => attachments ?? []),
        transaction,
      );
      await makeReleases(database, releasesOf(fresh), transaction);
      const outcomes = [
        ...fresh.flatMap((message) => message.outcomes),
        ...copies.flatMap((message) => instead(message, { outcome: "duplicate", reason: "same_content" })),
        ...messages
          .filter(({ projectId }) => !living.has(projectId))
          .flatMap((message) => instead(message, { outcome: "invalid", reason: "project_gone" })),
      ];
      const receipts = outcomes.map((entry): LedgerEntry => ({ ...entry, outcome: "received", reason: "" }));
      await addToLedger(database, [...receipts, ...outcomes], transaction);
      return { outcomes, checkIns };
    });

  /** States of one session have one key, so rows that were written before change nothing. */
  const writeSessions = async (
    messages: readonly PreparedItems[],
    optionsOf: (projectId: number) => PrepareOptions,
    signal: AbortSignal,
  ): Promise<void> => {
    const rows = messages.flatMap((message) =>
      message.sessions.map((session) => sessionRow(session, message, optionsOf(message.projectId))),
    );
    if (rows.length > 0) await analytics.insert("error_sessions", rows, { signal });
  };

  const store = async (
    works: readonly Work[],
    optionsOf: (projectId: number) => PrepareOptions,
    signal: AbortSignal,
  ): Promise<void> => {
    const messages = works.map(({ prepared }) => prepared);
    // Whoever has an outcome is not pending any more, so outcomes come last.
    await writeSessions(messages, optionsOf, signal);
    const { outcomes, checkIns } = await record(messages);
    for (const { itemType, outcome, quantity = 1 } of outcomes) onOutcome(itemType, outcome, quantity);
    for (const { status } of checkIns) onCheckIn(status);
  };

  /** All at once; when that fails for a reason that lies in one of them, one by one. */
  const storeAll = async (
    works: readonly Work[],
    optionsOf: (projectId: number) => PrepareOptions,
    signal: AbortSignal,
  ): Promise<BatchResult["failed"]> => {
    try {
      await store(works, optionsOf, signal);
      return [];
    } catch (error) {
      if (isAway(error) || signal.aborted) throw error;
      const [only] = works;
      if (works.length <= 1)
        return only
          ? [{ index: only.index, error: new DigestError("ET_EVENT_REFUSED", { cause: error, retryable: true }) }]
          : [];
    }
    const failed: { index: number; error: unknown }[] = [];
    for (const work of works) failed.push(...(await storeAll([work], optionsOf, signal)));
    return failed;
  };

  return {
    async handle(messages, { signal }) {
      try {
        const optionsOf = await projectOptions.load();
        const works: Work[] = [];
        const failed: { index: number; error: unknown }[] = [];
        for (const [index, message] of messages.entries()) {
          try {
            works.push({ index, prepared: prepareItems(message, optionsOf(message.data.project_id)) });
          } catch (error) {
            failed.push({ index, error });
          }
        }
        return { failed: [...failed, ...(await storeAll(works, optionsOf, signal))] };
      } catch (cause) {
        if (!isAway(cause)) throw cause;
        throw new DigestError("ET_STORE_AWAY", { cause });
      }
    },
  };
}

type CountedEntry = PreparedItems["outcomes"][number];

/** What became of messages, and what of them was new. */
interface Recorded {
  readonly outcomes: readonly CountedEntry[];
  readonly checkIns: readonly CheckIn[];
}

function instead(message: PreparedItems, end: Pick<LedgerEntry, "outcome" | "reason">): CountedEntry[] {
  return message.outcomes.map((entry) => ({ ...entry, ...end }));
}

/** What messages carry, with the project that it belongs to. */
function belonging<Name extends "checkIns" | "feedback">(
  messages: readonly PreparedItems[],
  name: Name,
): (PreparedItems[Name][number] & { readonly projectId: number })[] {
  return messages.flatMap((message) => message[name].map((item) => ({ ...item, projectId: message.projectId })));
}

function releasesOf(messages: readonly PreparedItems[]) {
  const releases = new Map<string, { projectId: number; version: string; createdAtMs: number }>();
  for (const { projectId, receivedAtMs, sessions } of messages)
    for (const { release } of sessions) {
      const key = `${projectId}:${release}`;
      const createdAtMs = Math.min(receivedAtMs, releases.get(key)?.createdAtMs ?? receivedAtMs);
      releases.set(key, { projectId, version: release, createdAtMs });
    }
  return [...releases.values()];
}

function sessionRow(
  session: SessionState,
  { projectId }: PreparedItems,
  { scrubbing, sessionRetentionDays }: PrepareOptions,
): object {
  const startedHour = new Date(Math.floor(session.startedAtMs / 3_600_000) * 3_600_000);
  return {
    project_id: projectId,
    release: session.release,
    environment: session.environment,
    started_hour: startedHour.toISOString().slice(0, 19).replace("T", " "),
    session_id: dashed(session.sessionId),
    seq: session.seq,
    user_hash: session.user === undefined ? "0" : (userHashOf({ id: session.user }, scrubbing) ?? "0"),
    status: session.status,
    errors: session.errors,
    duration: session.durationMs / 1000,
    quantity: session.quantity,
    retention_days: sessionRetentionDays,
  };
}
