import type { Clock } from "@signalbox/kernel";
import type { Session } from "./engine.js";
import { DatabaseError } from "./errors.js";

/** One caller's share of a group. */
export interface GroupMember {
  /** Does the writes; called once, inside the group's transaction. */
  perform(session: Session): Promise<void>;
  /** Called after the commit. */
  committed(): void;
  failed(error: unknown): void;
}

export interface GroupCommitOptions {
  readonly acquire: () => Promise<Session>;
  readonly clock: Clock;
  readonly maxMembers: number;
  /** A group that has worked this long commits what it has; the rest goes into the next one. */
  readonly maxGroupMs: number;
  readonly maxWaiting: number;
  readonly observe: (group: { readonly members: number; readonly seconds: number }) => void;
}

export interface GroupCommit {
  /** @throws {DatabaseError} `DATABASE_BUSY` when too many wait. */
  join(member: GroupMember): void;
}

/**
 * Gathers members while a group is under way and gives the next group all of them. The first one after a pause
 * starts in the same turn of the event loop, together with everything else that this turn brings.
 */
export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  let waiting: GroupMember[] = [];
  let running = false;

  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      const members = waiting.splice(0, options.maxMembers);
      const rest = await commitGroup(members, options);
      if (rest.length > 0) waiting = [...rest, ...waiting];
      await nextTurn();
    }
    running = false;
  };

  return {
    join(member) {
      if (waiting.length >= options.maxWaiting)
        throw new DatabaseError("DATABASE_BUSY", { message: "Too many writes wait for the database." });
      waiting.push(member);
      if (running) return;
      running = true;
      setImmediate(run);
    },
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Commits as many members as fit; returns those that were not begun. Never rejects. */
async function commitGroup(members: readonly GroupMember[], options: GroupCommitOptions): Promise<GroupMember[]> {
  const startedMs = options.clock.monotonicMs();
  let session: Session | undefined;
  try {
    session = await options.acquire();
    await session.begin();
    return await commitOn(session, members, options, startedMs);
  } catch (error) {
    for (const member of members) member.failed(error);
    return [];
  } finally {
    session?.leave();
  }
}

async function commitOn(
  session: Session,
  members: readonly GroupMember[],
  options: GroupCommitOptions,
  startedMs: number,
): Promise<GroupMember[]> {
  const done: GroupMember[] = [];
  let next = 0;
  for (const member of members) {
    if (next > 0 && options.clock.monotonicMs() - startedMs >= options.maxGroupMs) break;
    next++;
    const outcome = await performApart(session, member, members.length === 1);
    if (outcome.kind === "done") done.push(member);
    else {
      member.failed(outcome.error);
      if (outcome.kind === "lost") {
        await session.rollback();
        for (const earlier of done) earlier.failed(outcome.error);
        return members.slice(next);
      }
    }
  }
  await commitDone(session, done);
  options.observe({ members: done.length, seconds: (options.clock.monotonicMs() - startedMs) / 1000 });
  return members.slice(next);
}

type MemberOutcome =
  | { readonly kind: "done" }
  /** Only this member is undone. */
  | { readonly kind: "failed"; readonly error: unknown }
  /** The whole transaction is undone, as on a full disk or a broken connection. */
  | { readonly kind: "lost"; readonly error: unknown };

/** A savepoint keeps the others safe; a member that is alone has nobody to protect. */
async function performApart(session: Session, member: GroupMember, alone: boolean): Promise<MemberOutcome> {
  let inside = false;
  try {
    if (!alone) await session.savepoint();
    inside = true;
    await member.perform(session);
    if (!alone) await session.releaseSavepoint();
    return { kind: "done" };
  } catch (error) {
    const intact = !alone && inside && (await session.rollbackToSavepoint());
    return { kind: intact ? "failed" : "lost", error };
  }
}

async function commitDone(session: Session, done: readonly GroupMember[]): Promise<void> {
  if (done.length === 0) {
    await session.rollback();
    return;
  }
  try {
    await session.commit();
  } catch (error) {
    for (const member of done) member.failed(error);
    return;
  }
  for (const member of done) member.committed();
}
