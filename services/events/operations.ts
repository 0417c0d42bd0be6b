import type { Database, SqlValue } from "@signalbox/database";
import type { BegunLetter, DeadLetterSelection, EventStore, ReplayOptions, ReplayResult } from "@signalbox/event-store";
import { type Clock, errorCode, type Logger, ulid } from "@signalbox/kernel";

export type OperationKind = "replay" | "discard" | "purge" | "pause" | "resume";

/** `interrupted`: its process ended before it did. */
export type OperationState = "running" | "done" | "failed" | "interrupted";

/** What an operator did: when, to what, and what came of it. */
export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  /** Subject of the token. */
  readonly actor: string;
  readonly subscriber: string | null;
  /** The ids or the filter, as they were given. */
  readonly selection: unknown;
  readonly reason: string | null;
  readonly state: OperationState;
  readonly matched: number;
  /** Letters replayed or discarded, deliveries removed. */
  readonly changed: number;
  /** Letters that somebody else was faster with. */
  readonly refused: number;
  /** Of the replayed letters: handled since, given up again, or still on their way. */
  readonly resolved: number;
  readonly failed: number;
  readonly pending: number;
  /** Code of the error that ended it. */
  readonly error: string | null;
  readonly startedAtMs: number;
  readonly finishedAtMs: number | null;
}

export interface OperationPosition {
  readonly startedAtMs: number;
  readonly id: string;
}

/** Changes dead letters and keeps account of who did what. Operations survive the process as records, not as work. */
export interface Operations {
  /**
   * Resolves once letters begin to be replayed; the rest goes on, and `get` tells how far it is.
   * @throws {EventStoreError} as `DeadLetters.replay`; nothing was changed then.
   */
  replay(
    selection: DeadLetterSelection,
    options: Pick<ReplayOptions, "ratePerSecond" | "limit" | "force">,
    actor: string,
  ): Promise<Operation>;
  /** @throws {EventStoreError} as `DeadLetters.discard`. */
  discard(selection: DeadLetterSelection, reason: string, actor: string): Promise<Operation>;
  /** Notes what was done to a subscriber's queue. */
  note(kind: "purge" | "pause" | "resume", subscriber: string, actor: string, changed: number): Promise<Operation>;
  get(id: string): Promise<Operation | null>;
  /** Newest first. */
  list(limit: number, after?: OperationPosition): Promise<readonly Operation[]>;
  /** Replays that are not over or were a moment ago, newest first. */
  recentReplays(sinceMs: number): Promise<readonly Operation[]>;
  /** Deletes what was over before the time. */
  forget(beforeMs: number): Promise<void>;
  /** Waits for the replays of this process. */
  idle(): Promise<void>;
}

export interface OperationsDependencies {
  readonly database: Database;
  readonly eventStore: () => Pick<EventStore, "dead">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An operation that has not said anything for so long is not running any more. */
const silentAfterMs = 60_000;

export function createOperations({ database, eventStore, clock, logger }: OperationsDependencies): Operations {
  const running = new Set<Promise<unknown>>();

  const begin = async (
    kind: OperationKind,
    actor: string,
    given: { readonly subscriber?: string; readonly selection?: unknown; readonly reason?: string },
  ): Promise<string> => {
    const id = ulid();
    const nowMs = clock.nowMs();
    const { subscriber = null, selection, reason = null } = given;
    await database.run(
      `insert into event_operations (id, kind, actor, subscriber, selection, reason, state, matched, changed, refused,
         started_at_ms, updated_at_ms) values (?, ?, ?, ?, ?, ?, 'running', 0, 0, 0, ?, ?)`,
      [id, kind, actor, subscriber, selection === undefined ? null : JSON.stringify(selection), reason, nowMs, nowMs],
    );
    return id;
  };

  const end = async (
    id: string,
    counts: { readonly matched: number; readonly changed: number; readonly refused: number },
    error?: unknown,
  ): Promise<void> => {
    const nowMs = clock.nowMs();
    await database.run(
      `update event_operations set state = ?, matched = ?, changed = ?, refused = ?, error = ?, updated_at_ms = ?,
         finished_at_ms = ? where id = ?`,
      [
        error === undefined ? "done" : "failed",
        counts.matched,
        counts.changed,
        counts.refused,
        error === undefined ? null : (errorCode(error) ?? "internal_error"),
        nowMs,
        nowMs,
        id,
      ],
    );
  };

  const remove = (id: string) => database.run("delete from event_operations where id = ?", [id]);

  const noteLetters = async (id: string, letters: readonly BegunLetter[]): Promise<void> => {
    await database.batch([
      {
        sql: "insert into event_operation_letters (operation_id, letter_id, replay_count) values (?, ?, ?)",
        rows: letters.map((letter) => [id, letter.id, letter.replayCount]),
      },
      {
        sql: "update event_operations set changed = changed + ?, updated_at_ms = ? where id = ?",
        rows: [[letters.length, clock.nowMs(), id]],
      },
    ]);
  };

  const read = async (where: string, values: readonly SqlValue[]): Promise<readonly Operation[]> => {
    const { rows } = await database.run(`${selectOperations} ${where}`, values);
    const nowMs = clock.nowMs();
    return rows.map((row) => toOperation(row, nowMs));
  };

  const get = async (id: string): Promise<Operation | null> => {
    const [operation] = await read("where o.id = ?", [id]);
    return operation ?? null;
  };

  const mustGet = async (id: string): Promise<Operation> => {
    const operation = await get(id);
    if (!operation) throw new Error("the operation was deleted meanwhile");
    return operation;
  };

  return {
    async replay(selection, options, actor) {
      const id = await begin("replay", actor, { selection });
      let changed = 0;
      let tellBegun: () => void = () => {};
      const begun = new Promise<void>((resolve) => {
        tellBegun = resolve;
      });
      const onBegin = async (letters: readonly BegunLetter[]): Promise<void> => {
        await noteLetters(id, letters);
        changed += letters.length;
        tellBegun();
      };
      const work = eventStore().dead.replay(selection, { ...options, by: actor, onBegin });
      const account = work.then(
        ({ matched, replayed, failed }: ReplayResult) =>
          end(id, { matched, changed: replayed, refused: failed.length }),
        async (error: unknown) => {
          if (changed === 0) await remove(id);
          else await end(id, { matched: changed, changed, refused: 0 }, error);
        },
      );
      const whole = Promise.all([work, account]);
      running.add(whole);
      const over = whole.then(
        () => {},
        (error: unknown) => {
          if (changed > 0) logger.error("a replay of dead letters broke off", { error, operation: id });
        },
      );
      void over.finally(() => running.delete(whole));
      await Promise.race([begun, whole]);
      return mustGet(id);
    },

    async discard(selection, reason, actor) {
      const id = await begin("discard", actor, { selection, reason });
      try {
        const { discarded } = await eventStore().dead.discard(selection, { reason });
        await end(id, { matched: discarded, changed: discarded, refused: 0 });
      } catch (error) {
        await remove(id);
        throw error;
      }
      return mustGet(id);
    },

    async note(kind, subscriber, actor, changed) {
      const id = await begin(kind, actor, { subscriber });
      await end(id, { matched: changed, changed, refused: 0 });
      return mustGet(id);
    },

    get,

    list: (limit, after) =>
      after
        ? read("where (o.started_at_ms < ? or (o.started_at_ms = ? and o.id < ?)) order by 1 desc, 2 desc limit ?", [
            after.startedAtMs,
            after.startedAtMs,
            after.id,
            limit,
          ])
        : read("order by 1 desc, 2 desc limit ?", [limit]),

    recentReplays: (sinceMs) =>
      read("where o.kind = 'replay' and o.started_at_ms >= ? order by 1 desc, 2 desc limit 20", [sinceMs]),

    async forget(beforeMs) {
      await database.batch([
        {
          sql: `delete from event_operation_letters where operation_id in (
              select id from event_operations where started_at_ms < ?)`,
          rows: [[beforeMs]],
        },
        { sql: "delete from event_operations where started_at_ms < ?", rows: [[beforeMs]] },
      ]);
    },

    async idle() {
      await Promise.allSettled(running);
    },
  };
}

/** A letter that was replayed again since, or that is not on its way and not resolved, was given up. */
const selectOperations = `select o.started_at_ms, o.id, o.kind, o.actor, o.subscriber, o.selection, o.reason, o.state,
    o.matched, o.changed, o.refused, o.error, o.updated_at_ms, o.finished_at_ms,
    (select count(*) from event_operation_letters p join event_dead_letters l on l.id = p.letter_id
      where p.operation_id = o.id and l.replay_count = p.replay_count and l.state = 'resolved') as resolved,
    (select count(*) from event_operation_letters p join event_dead_letters l on l.id = p.letter_id
      where p.operation_id = o.id and l.replay_count = p.replay_count and l.state = 'replaying') as pending
  from event_operations o`;

function toOperation(row: Record<string, unknown>, nowMs: number): Operation {
  const optional = (column: string): string | null => (row[column] === null ? null : String(row[column]));
  const count = (column: string): number => Number(row[column]);
  const isSilent = nowMs - count("updated_at_ms") > silentAfterMs;
  const kind = String(row["kind"]) as OperationKind;
  const selection = optional("selection");
  return {
    id: String(row["id"]),
    // Written by this service alone.
    kind,
    actor: String(row["actor"]),
    subscriber: optional("subscriber"),
    selection: selection === null ? null : JSON.parse(selection),
    reason: optional("reason"),
    state: row["state"] === "running" && isSilent ? "interrupted" : (String(row["state"]) as OperationState),
    matched: Math.max(count("matched"), count("changed")),
    changed: count("changed"),
    refused: count("refused"),
    resolved: count("resolved"),
    pending: count("pending"),
    failed: kind === "replay" ? Math.max(0, count("changed") - count("resolved") - count("pending")) : 0,
    error: optional("error"),
    startedAtMs: count("started_at_ms"),
    finishedAtMs: row["finished_at_ms"] === null ? null : count("finished_at_ms"),
  };
}
