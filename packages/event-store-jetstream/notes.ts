import type { BatchStatement, Database, SqlValue } from "@signalbox/database";
import type { LeaseMark } from "@signalbox/event-store";
import type { Clock } from "@signalbox/kernel";
import type { JetStreamLease } from "./lease.js";
import { messageIdOf, type Wire } from "./wire.js";

/** What is known of a message beside what it says itself. */
export interface Note {
  readonly messageId: string;
  readonly streamSeq: number | null;
  readonly waiting: boolean;
  readonly delivered: boolean;
  readonly dueAtMs: number;
  readonly returned: number;
  /** How often the server had handed it out when it came back. */
  readonly handedOut: number | null;
  readonly crashesAlone: number;
  readonly aloneAt: number | null;
  /** Crashes in company after it was marked as begun, and the time it was handed out after which it is. */
  readonly crashesBegun: number;
  readonly begunAt: number | null;
  /** `null`: as in the message. */
  readonly attempts: number | null;
  readonly progress: string | null;
  readonly body: string | null;
}

/** How a delivery with a key comes back to its place. */
export interface RetryInPlace {
  readonly dueAtMs: number;
  readonly attempts: number;
  readonly progress: string | null;
  readonly body: string | undefined;
}

const columns =
  "message_id, stream_seq, waiting, delivered, due_at_ms, returned, handed_out, crashes_alone, alone_at, crashes_begun, begun_at, attempts, progress, body";

const select = `select ${columns} from event_jetstream_notes where message_id = ?`;
const selectWaiting = `select ${columns} from event_jetstream_notes where subscriber = ? and waiting = 1`;
const insertEarly = `insert into event_jetstream_notes
    (message_id, subscriber, waiting, delivered, due_at_ms, body, updated_at_ms) values (?, ?, ?, 0, ?, ?, ?)
  on conflict (message_id) do nothing`;
const giveBack = `insert into event_jetstream_notes
    (message_id, subscriber, stream_seq, waiting, delivered, due_at_ms, returned, handed_out, updated_at_ms)
    values (?, ?, ?, 1, 1, ?, ?, ?, ?)
  on conflict (message_id) do update set stream_seq = excluded.stream_seq, waiting = 1, delivered = 1,
    due_at_ms = excluded.due_at_ms, returned = excluded.returned, handed_out = excluded.handed_out, alone_at = null,
    begun_at = null,
    updated_at_ms = excluded.updated_at_ms`;
const retryInPlace = `insert into event_jetstream_notes
    (message_id, subscriber, stream_seq, waiting, delivered, due_at_ms, returned, handed_out, attempts, progress, body,
      updated_at_ms)
    values (?, ?, ?, 1, 1, ?, ?, ?, ?, ?, ?, ?)
  on conflict (message_id) do update set stream_seq = excluded.stream_seq, waiting = 1, delivered = 1,
    due_at_ms = excluded.due_at_ms, returned = excluded.returned, handed_out = excluded.handed_out, alone_at = null,
    begun_at = null,
    attempts = excluded.attempts,
    progress = excluded.progress, body = coalesce(excluded.body, event_jetstream_notes.body),
    updated_at_ms = excluded.updated_at_ms`;
const markIn = (column: "alone_at" | "begun_at"): string => `insert into event_jetstream_notes
    (message_id, subscriber, stream_seq, delivered, due_at_ms, returned, ${column}, updated_at_ms)
    values (?, ?, ?, 1, ?, ?, ?, ?)
  on conflict (message_id) do update set ${column} = excluded.${column}, updated_at_ms = excluded.updated_at_ms`;
const marks: Readonly<Record<LeaseMark, string>> = { alone: markIn("alone_at"), begun: markIn("begun_at") };
const takeUp = `update event_jetstream_notes
  set waiting = 0, delivered = 1, stream_seq = ?, returned = ?, crashes_alone = ?, alone_at = null,
    crashes_begun = ?, begun_at = null, held_until_ms = ?, updated_at_ms = ?
  where message_id = ? and returned = ? and (waiting = 1 or held_until_ms is null or held_until_ms <= ?)
  returning message_id`;
const leaveAlone = "update event_jetstream_notes set returned = returned + 1 where message_id = ?";
const remove = "delete from event_jetstream_notes where message_id = ?";
const selectOld = `select message_id, stream_seq from event_jetstream_notes
  where updated_at_ms < ? and stream_seq is not null order by updated_at_ms limit ?`;
const selectOverdue = `select message_id, stream_seq, updated_at_ms from event_jetstream_notes
  where subscriber = ? and waiting = 1 and delivered = 1 and due_at_ms < ? and updated_at_ms < ?
  order by due_at_ms limit ?`;
const claimOverdue = `update event_jetstream_notes set updated_at_ms = ?
  where message_id = ? and waiting = 1 and updated_at_ms = ? returning message_id`;

/** The notes on messages. What a call has resolved is as durable as the database. */
export class Notes {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async read(messageIds: readonly string[]): Promise<ReadonlyMap<string, Note>> {
    if (messageIds.length === 0) return new Map();
    const rows = await this.#run({ sql: select, rows: messageIds.map((id) => [id]) });
    return new Map(rows.map(toNote).map((note) => [note.messageId, note]));
  }

  /** Those of a subscriber that nobody has at the moment. */
  async waiting(subscriber: string): Promise<readonly Note[]> {
    return (await this.#run({ sql: selectWaiting, rows: [[subscriber]] })).map(toNote);
  }

  /** Written before the message: it is not due yet, or its body stands here. */
  async announce(wires: readonly Wire[]): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const rows = wires.map((wire): SqlValue[] => [
      messageIdOf(wire),
      wire.subscriber,
      wire.dueAtMs > nowMs ? 1 : 0,
      wire.dueAtMs,
      wire.bodyApart ? wire.body : null,
      nowMs,
    ]);
    if (rows.length > 0) await this.#run({ sql: insertEarly, rows });
  }

  async giveBack(leases: readonly JetStreamLease[]): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const rows = leases.map((lease): SqlValue[] => [
      ...keyOf(lease),
      lease.dueAtMs,
      lease.returned + 1,
      lease.delivered,
      nowMs,
    ]);
    if (rows.length > 0) await this.#run({ sql: giveBack, rows });
  }

  async retryInPlace(lease: JetStreamLease, { dueAtMs, attempts, progress, body }: RetryInPlace): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const values = [dueAtMs, lease.returned + 1, lease.delivered, attempts, progress, body ?? null, nowMs];
    await this.#run({ sql: retryInPlace, rows: [[...keyOf(lease), ...values]] });
  }

  async mark(leases: readonly JetStreamLease[], mark: LeaseMark): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const rows = leases.map((lease): SqlValue[] => [
      ...keyOf(lease),
      lease.dueAtMs,
      lease.returned,
      lease.delivered,
      nowMs,
    ]);
    if (rows.length > 0) await this.#run({ sql: marks[mark], rows });
  }

  /**
   * They are about to be handed out again, and stay with whoever takes them for at least `heldMs`. Resolves with the ids of
   * those of which the note is still the one that was read, and that nobody else has taken.
   */
  async takeUp(leases: readonly JetStreamLease[], heldMs: number): Promise<ReadonlySet<string>> {
    if (leases.length === 0) return new Set();
    const nowMs = this.#clock.nowMs();
    const rows = leases.map(({ streamSeq, returned, notedReturned, notedCrashes, messageId }): SqlValue[] => [
      ...[streamSeq, returned, notedCrashes.alone, notedCrashes.begun, nowMs + heldMs, nowMs],
      ...[messageId, notedReturned, nowMs],
    ]);
    return idsOf(await this.#run({ sql: takeUp, rows }));
  }

  /** They were handed out although somebody has them: that is no crash. */
  async leaveAlone(leases: readonly JetStreamLease[]): Promise<void> {
    if (leases.length > 0) await this.#run({ sql: leaveAlone, rows: leases.map(({ messageId }) => [messageId]) });
  }

  /**
   * What should have been handed out again by this time and was not, and of which nobody has heard since; oldest first. It is
   * left to the caller for the same time.
   */
  async claimOverdue(
    subscriber: string,
    sinceMs: number,
    limit: number,
  ): Promise<readonly { readonly messageId: string; readonly streamSeq: number }[]> {
    const found = await this.#run({ sql: selectOverdue, rows: [[subscriber, sinceMs, sinceMs, limit]] });
    if (found.length === 0) return [];
    const nowMs = this.#clock.nowMs();
    const rows = found.map((row): SqlValue[] => [nowMs, String(row["message_id"]), Number(row["updated_at_ms"])]);
    const claimed = idsOf(await this.#run({ sql: claimOverdue, rows }));
    return found
      .map((row) => ({ messageId: String(row["message_id"]), streamSeq: Number(row["stream_seq"]) }))
      .filter(({ messageId }) => claimed.has(messageId));
  }

  async remove(messageIds: readonly string[]): Promise<void> {
    if (messageIds.length > 0) await this.#run({ sql: remove, rows: messageIds.map((id) => [id]) });
  }

  /** Notes that nobody has touched since the time. */
  async untouchedSince(
    beforeMs: number,
    limit: number,
  ): Promise<readonly { readonly messageId: string; readonly streamSeq: number }[]> {
    const rows = await this.#run({ sql: selectOld, rows: [[beforeMs, limit]] });
    return rows.map((row) => ({ messageId: String(row["message_id"]), streamSeq: Number(row["stream_seq"]) }));
  }

  async #run(statement: BatchStatement): Promise<Record<string, unknown>[]> {
    const [result] = await this.#database.batch([statement]);
    return result?.rows ?? [];
  }
}

function idsOf(rows: readonly Record<string, unknown>[]): ReadonlySet<string> {
  return new Set(rows.map((row) => String(row["message_id"])));
}

function keyOf({ wire, streamSeq }: JetStreamLease): SqlValue[] {
  return [messageIdOf(wire), wire.subscriber, streamSeq];
}

function toNote(row: Record<string, unknown>): Note {
  const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
  const number = (value: unknown): number | null => (value === null || value === undefined ? null : Number(value));
  return {
    messageId: String(row["message_id"]),
    streamSeq: number(row["stream_seq"]),
    waiting: row["waiting"] === 1,
    delivered: row["delivered"] === 1,
    dueAtMs: Number(row["due_at_ms"]),
    returned: Number(row["returned"]),
    handedOut: number(row["handed_out"]),
    crashesAlone: Number(row["crashes_alone"]),
    aloneAt: number(row["alone_at"]),
    crashesBegun: Number(row["crashes_begun"]),
    begunAt: number(row["begun_at"]),
    attempts: number(row["attempts"]),
    progress: text(row["progress"]),
    body: text(row["body"]),
  };
}
