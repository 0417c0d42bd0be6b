import { AsyncResource } from "node:async_hooks";
import type { Clock } from "@signalbox/kernel";
import type { BatchStatement, RunResult } from "./database.js";
import type { Session } from "./engine.js";
import { DatabaseError } from "./errors.js";

/** One caller's share of a group. */
type GroupMember = WorkMember | BatchMember;

/** Writes by calling back. */
interface WorkMember {
  readonly kind: "work";
  /** Called once, inside the group's transaction. */
  perform(session: Session): Promise<void>;
  /** Called after the commit. */
  committed(): void;
  failed(error: unknown): void;
}

/** Writes prepared statements. */
interface BatchMember {
  readonly kind: "batch";
  readonly statements: readonly BatchStatement[];
  committed(results: RunResult[]): void;
  failed(error: unknown): void;
}

export interface GroupCommitOptions {
  readonly acquire: () => Promise<Session>;
  readonly clock: Clock;
  readonly maxMembers: number;
  /** A group that has worked this long commits what it has; the rest goes into the next one. */
  readonly maxGroupMs: number;
  readonly maxWaiting: number;
  /** Longest wait of a group for as many writes as the one before it had. */
  readonly maxGatherMs: number;
  readonly observe: (group: { readonly members: number; readonly seconds: number }) => void;
}

export interface GroupCommit {
  /** @throws {DatabaseError} `DATABASE_BUSY` when too many wait. */
  join(member: GroupMember): void;
}

/** A group that starts this soon after another one is likely to be written by the same callers. */
const closelyMs = 10;

/**
 * Gathers members while a group is under way and gives the next group all of them. The first one after a pause
 * starts in the same turn of the event loop, together with everything else that this turn brings.
 *
 * A group that follows closely on a larger one waits for as many writes, but no longer than that one took to commit:
 * callers that were answered together come back within a moment of each other, and one `fsync` for all of them is
 * cheaper than one for each handful. Somebody who writes alone never waits.
 */
export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const { clock, maxMembers, maxGatherMs } = options;
  let waiting: GroupMember[] = [];
  let running = false;
  let last = { writes: 0, tookMs: 0, endedMs: Number.NEGATIVE_INFINITY };

  const gather = async (): Promise<void> => {
    const startedMs = clock.monotonicMs();
    const limitMs = startedMs - last.endedMs < closelyMs ? Math.min(maxGatherMs, last.tookMs) : 0;
    while (writesOf(waiting) < last.writes && clock.monotonicMs() - startedMs < limitMs) await nextTurn();
  };

  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      await gather();
      const members = waiting.splice(0, maxMembers);
      const startedMs = clock.monotonicMs();
      const begun = await commitGroup(members, options);
      const endedMs = clock.monotonicMs();
      last = { writes: writesOf(members.slice(0, begun)), tookMs: endedMs - startedMs, endedMs };
      if (begun < members.length) waiting = [...members.slice(begun), ...waiting];
      await nextTurn();
    }
    running = false;
  };

  // In nobody's context: a group belongs to no single caller.
  const start = AsyncResource.bind(() => void run());

  return {
    join(member) {
      if (waiting.length >= options.maxWaiting)
        throw new DatabaseError("DATABASE_BUSY", { message: "Too many writes wait for the database." });
      waiting.push(member);
      if (running) return;
      running = true;
      setImmediate(start);
    },
  };
}

/** What members bring: a batch may itself hold the rows of many callers. */
function writesOf(members: readonly GroupMember[]): number {
  let writes = 0;
  for (const member of members) {
    if (member.kind === "work") writes++;
    else for (const { rows } of member.statements) writes += rows.length;
  }
  return writes;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Commits as many members as fit and resolves with how many were begun, from the first on. Never rejects. */
async function commitGroup(members: readonly GroupMember[], options: GroupCommitOptions): Promise<number> {
  const startedMs = options.clock.monotonicMs();
  const elapsedMs = (): number => options.clock.monotonicMs() - startedMs;
  let session: Session | undefined;
  try {
    session = await options.acquire();
    await session.begin();
    const group = await performAll(session, members, () => elapsedMs() < options.maxGroupMs);
    await end(session, group);
    options.observe({ members: group.done.length, seconds: elapsedMs() / 1000 });
    return group.begun;
  } catch (error) {
    // The transaction could not be opened, or not be brought back to a savepoint.
    await session?.rollback();
    for (const member of members) member.failed(error);
    return members.length;
  } finally {
    session?.leave();
  }
}

interface Group {
  /** Members whose writes wait for the commit, with the way to tell them. */
  readonly done: Done[];
  /** Members that were called, from the first on. */
  begun: number;
  /** Why the whole transaction is undone. */
  lost: { readonly error: unknown } | undefined;
}

interface Done {
  committed(): void;
  failed(error: unknown): void;
}

async function performAll(session: Session, members: readonly GroupMember[], mayGoOn: () => boolean): Promise<Group> {
  const group: Group = { done: [], begun: 0, lost: undefined };
  const alone = members.length === 1;
  while (group.begun < members.length && !group.lost && (group.begun === 0 || mayGoOn())) {
    const batches = leadingBatches(members, group.begun);
    const member = members[group.begun];
    if (batches.length > 0 && !alone) await performBatches(session, batches, group, mayGoOn);
    else if (member) await performOne(session, member, group, alone);
  }
  return group;
}

function leadingBatches(members: readonly GroupMember[], from: number): BatchMember[] {
  const batches: BatchMember[] = [];
  for (let index = from; index < members.length; index++) {
    const member = members[index];
    if (member?.kind !== "batch") break;
    batches.push(member);
  }
  return batches;
}

async function performBatches(
  session: Session,
  members: readonly BatchMember[],
  group: Group,
  mayGoOn: () => boolean,
): Promise<void> {
  const outcomes = await session.batchApart(
    members.map((member) => member.statements),
    mayGoOn,
  );
  outcomes.forEach((outcome, index) => {
    const member = members[index];
    if (!member) return;
    group.begun++;
    if (outcome.kind === "done") group.done.push(doneBatch(member, outcome.results));
    else member.failed(outcome.error);
    if (outcome.kind === "lost") group.lost = outcome;
  });
}

/** A savepoint keeps the others safe; a member that is alone has nobody to protect. */
async function performOne(session: Session, member: GroupMember, group: Group, alone: boolean): Promise<void> {
  group.begun++;
  let inside = alone;
  try {
    if (!alone) await session.savepoint();
    inside = true;
    const done = await perform(session, member);
    if (!alone) await session.releaseSavepoint();
    group.done.push(done);
  } catch (error) {
    const intact = inside && !alone && (await session.rollbackToSavepoint());
    if (!intact) group.lost = { error };
    member.failed(error);
  }
}

async function perform(session: Session, member: GroupMember): Promise<Done> {
  if (member.kind === "batch") return doneBatch(member, await session.batch(member.statements));
  await member.perform(session);
  return member;
}

function doneBatch(member: BatchMember, results: RunResult[]): Done {
  return { committed: () => member.committed(results), failed: (error) => member.failed(error) };
}

async function end(session: Session, { done, lost }: Group): Promise<void> {
  if (lost || done.length === 0) {
    await session.rollback();
    for (const member of done) member.failed(lost?.error);
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
