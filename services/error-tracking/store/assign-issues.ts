import type { Database, TransactionHandle } from "@signalbox/database";
import type { DigestedEvent } from "../digest/digested-event.js";
import { type ProjectCounter, takeShortNumbers } from "./counters.js";
import { issueGrowth } from "./growth.js";
import { hashKey, insertHashes, type NewHash, readOwners } from "./hashes.js";
import { insertIssues, type NewIssue, shortKey } from "./issues.js";

/** Why an event has a hash; asked for hashes that nobody owns yet. */
export type ExplainHash = (event: DigestedEvent, hash: string) => string;

export interface IssueOfEvent {
  readonly digested: DigestedEvent;
  readonly issueId: number;
}

export interface CreatedIssue {
  readonly issueId: number;
  readonly projectId: number;
  readonly shortNumber: number;
  /** The event that made it. */
  readonly cause: DigestedEvent;
}

/** An issue of this batch: known by its id, or still to be made. */
interface Target {
  id: number | undefined;
  readonly events: DigestedEvent[];
}

/**
 * Finds the issue of each event: the owner of the first of its hashes that has one, else of the first of those that the
 * algorithm before would have given, else a new issue. Hashes of the event without an owner are attached. The projects
 * must be locked, so nobody else makes the same issue meanwhile.
 */
export async function assignIssues(
  database: Database,
  events: readonly DigestedEvent[],
  locked: ReadonlyMap<number, ProjectCounter>,
  nowMs: number,
  transaction: TransactionHandle,
  explain: ExplainHash,
): Promise<{ readonly issues: IssueOfEvent[]; readonly created: CreatedIssue[] }> {
  const hashes = new Map(
    events.flatMap((event) => [...hashesOf(event), ...formerHashesOf(event)]).map((key) => [hashKey(key), key]),
  );
  const owners = await readOwners(database, hashes.values(), transaction);
  const { targets, attached } = chooseTargets(events, owners);
  const created = await makeIssues(database, targets, locked, nowMs, transaction);
  const newHashes = [...attached].map(([, { event, index, target }]) => newHash(event, index, target, explain));
  await insertHashes(database, newHashes, nowMs, transaction);
  const issues = targets.flatMap((target) => target.events.map((digested) => ({ digested, issueId: idOf(target) })));
  return { issues, created };
}

function hashesOf({ projectId, hashes }: DigestedEvent) {
  return hashes.map(({ hash }) => ({ projectId, hash }));
}

function formerHashesOf({ projectId, formerHashes = [] }: DigestedEvent) {
  return formerHashes.map((hash) => ({ projectId, hash }));
}

interface Attached {
  readonly event: DigestedEvent;
  /** Of the hash in the event's grouping. */
  readonly index: number;
  readonly target: Target;
}

function chooseTargets(events: readonly DigestedEvent[], owners: ReadonlyMap<string, number>) {
  const byIssue = new Map<number, Target>();
  const byHash = new Map<string, Target>();
  const attached = new Map<string, Attached>();
  for (const [key, id] of owners) {
    const target = byIssue.get(id) ?? { id, events: [] };
    byIssue.set(id, target);
    byHash.set(key, target);
  }
  const made: Target[] = [];
  for (const event of events) {
    const keys = hashesOf(event).map(hashKey);
    const candidates = event.formerHashes === undefined ? keys : [...keys, ...formerHashesOf(event).map(hashKey)];
    let target = candidates.map((key) => byHash.get(key)).find((known) => known !== undefined);
    if (target === undefined) {
      target = { id: undefined, events: [] };
      made.push(target);
    }
    target.events.push(event);
    for (const [index, key] of keys.entries()) {
      if (byHash.has(key)) continue;
      byHash.set(key, target);
      attached.set(key, { event, index, target });
    }
  }
  return { targets: [...byIssue.values(), ...made], attached };
}

async function makeIssues(
  database: Database,
  targets: readonly Target[],
  locked: ReadonlyMap<number, ProjectCounter>,
  nowMs: number,
  transaction: TransactionHandle,
): Promise<CreatedIssue[]> {
  const taken = new Map<number, number>();
  const planned: { target: Target; cause: DigestedEvent; issue: NewIssue }[] = [];
  for (const target of targets) {
    const [cause] = target.events;
    if (target.id !== undefined || cause === undefined) continue;
    const counter = locked.get(cause.projectId);
    if (counter === undefined) throw new Error("The project of an event is not locked.");
    const used = taken.get(cause.projectId) ?? 0;
    taken.set(cause.projectId, used + 1);
    const issue = newIssue(cause, target.events, counter.nextShortNumber + used, counter.changeSeq);
    planned.push({ target, cause, issue });
  }
  await takeShortNumbers(database, taken, transaction);
  const ids = await insertIssues(
    database,
    planned.map(({ issue }) => issue),
    nowMs,
    transaction,
  );
  return planned.map(({ target, cause, issue: { projectId, shortNumber } }) => {
    target.id = ids.get(shortKey(projectId, shortNumber));
    return { issueId: idOf(target), projectId, shortNumber, cause };
  });
}

function newIssue(
  cause: DigestedEvent,
  events: readonly DigestedEvent[],
  shortNumber: number,
  changeSeq: number,
): NewIssue {
  return {
    projectId: cause.projectId,
    shortNumber,
    title: cause.title.title,
    name: cause.title.name,
    description: cause.title.description,
    culprit: cause.culprit,
    place: cause.place,
    level: cause.level,
    platform: cause.platform,
    changeSeq,
    growth: issueGrowth(events),
  };
}

function newHash(event: DigestedEvent, index: number, target: Target, explain: ExplainHash): NewHash {
  const hash = event.hashes[index];
  if (hash === undefined) throw new RangeError("The event has no such hash.");
  return {
    projectId: event.projectId,
    hash: hash.hash,
    issueId: idOf(target),
    version: event.groupingVersion,
    strategy: event.strategy,
    variant: hash.variant,
    explanation: explain(event, hash.hash),
  };
}

function idOf(target: Target): number {
  if (target.id === undefined) throw new Error("The issue has no id yet.");
  return target.id;
}
