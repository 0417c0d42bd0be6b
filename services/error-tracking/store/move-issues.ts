import type { Database, TransactionHandle } from "@signalbox/database";
import type { DigestedEvent } from "../digest/digested-event.js";
import {
  escalationFloor,
  escalationHistoryHours,
  type IgnoreConditions,
  isEscalating,
  readIgnoreConditions,
} from "../issues/ignore-conditions.js";
import type { OrderedRelease } from "../issues/release-order.js";
import { isAfterBase, isRegression, type Resolution, readResolution } from "../issues/resolution.js";
import type { IssueOfEvent } from "./assign-issues.js";
import type { HashCount } from "./hashes.js";
import { hashKey } from "./hashes.js";
import { overRows, runOverRows } from "./json-rows.js";
import { type ReleaseKey, readReleases, releaseKey } from "./releases.js";
import {
  type MovableIssue,
  noteActivity,
  readMovableIssues,
  readSlots,
  type SlotCount,
  type StatusMove,
  setStatuses,
} from "./transitions.js";

/** An issue that an event moved by itself. */
export interface MovedIssue {
  readonly kind: "regressed" | "unmuted" | "escalating";
  readonly projectId: number;
  readonly issueId: number;
  readonly shortNumber: number;
  /** The event that did it. */
  readonly cause: DigestedEvent;
  readonly resolution: Resolution | undefined;
}

const hourMs = 3_600_000;
const minuteMs = 60_000;

/**
 * Moves the issues that these events call back or make heard again. Their counts must hold the events already, their
 * projects must be locked, so each move happens in exactly one batch.
 */
export async function moveIssues(
  database: Database,
  issues: readonly IssueOfEvent[],
  newReleases: readonly ReleaseKey[],
  hours: readonly HashCount[],
  nowMs: number,
  transaction: TransactionHandle,
): Promise<MovedIssue[]> {
  await settleNextReleases(database, newReleases, transaction);
  const byIssue = new Map<number, DigestedEvent[]>();
  for (const { digested, issueId } of issues) {
    const events = byIssue.get(issueId);
    if (events) events.push(digested);
    else byIssue.set(issueId, [digested]);
  }
  const movable = await readMovableIssues(database, [...byIssue.keys()], transaction);
  const eventsOf = ({ id }: MovableIssue): readonly DigestedEvent[] => byIssue.get(id) ?? [];
  const moved = [
    ...(await findRegressions(database, movable, eventsOf, transaction)),
    ...(await findUnmuted(database, movable, eventsOf, nowMs, transaction)),
    ...(await findEscalating(database, movable, eventsOf, hours, nowMs, transaction)),
  ];
  await recordMoves(database, moved, nowMs, transaction);
  return moved;
}

/** Writes moves that were decided: the new status, and a trace of why. */
export async function recordMoves(
  database: Database,
  moved: readonly MovedIssue[],
  nowMs: number,
  transaction: TransactionHandle,
): Promise<void> {
  await setStatuses(database, moved.map(toStatusMove), nowMs, transaction);
  await noteActivity(database, moved.map(toActivity), nowMs, transaction);
}

function toStatusMove({ kind, projectId, issueId }: MovedIssue): StatusMove {
  const substatus = kind === "unmuted" ? "ongoing" : kind;
  return { projectId, issueId, status: "unresolved", substatus };
}

function toActivity({ kind, projectId, issueId, cause }: MovedIssue) {
  const detail = { event_id: cause.eventId, release: cause.release };
  return { projectId, issueId, actor: "", kind, detail };
}

function toMoved(kind: MovedIssue["kind"], issue: MovableIssue, cause: DigestedEvent): MovedIssue {
  return {
    kind,
    projectId: issue.project_id,
    issueId: issue.id,
    shortNumber: issue.short_number,
    cause,
    resolution: kind === "regressed" ? readResolution(issue.resolution) : undefined,
  };
}

type EventsOf = (issue: MovableIssue) => readonly DigestedEvent[];

async function findRegressions(
  database: Database,
  movable: readonly MovableIssue[],
  eventsOf: EventsOf,
  transaction: TransactionHandle,
): Promise<MovedIssue[]> {
  const resolved = movable.filter(({ status }) => status === "resolved");
  if (resolved.length === 0) return [];
  const keys = resolved.flatMap((issue) => releasesInQuestion(issue, eventsOf(issue)));
  const releases = await readReleases(database, keys, transaction);
  return resolved.flatMap((issue) => {
    const known = releasesOf(issue.project_id, keys, releases);
    const resolution = readResolution(issue.resolution);
    const cause = byReceipt(eventsOf(issue)).find((event) =>
      isRegression(resolution, issue.status_changed_at_ms, event, known),
    );
    return cause === undefined ? [] : [toMoved("regressed", issue, cause)];
  });
}

function releasesInQuestion(issue: MovableIssue, events: readonly DigestedEvent[]): ReleaseKey[] {
  const resolution = readResolution(issue.resolution);
  const fixed =
    resolution.kind === "release" ? resolution.release : resolution.kind === "next" ? resolution.base : null;
  return [fixed, ...events.map(({ release }) => release)]
    .filter((version) => version !== null && version !== undefined)
    .map((version) => ({ projectId: issue.project_id, version }));
}

function releasesOf(
  projectId: number,
  keys: readonly ReleaseKey[],
  releases: ReadonlyMap<string, OrderedRelease>,
): Map<string, OrderedRelease> {
  const known = new Map<string, OrderedRelease>();
  for (const key of keys) {
    const release = key.projectId === projectId ? releases.get(releaseKey(key)) : undefined;
    if (release !== undefined) known.set(key.version, release);
  }
  return known;
}

function byReceipt(events: readonly DigestedEvent[]): DigestedEvent[] {
  return [...events].sort((a, b) => a.receivedAtMs - b.receivedAtMs);
}

const waiting = overRows(`
  select issue.id, issue.project_id, issue.resolution from error_issues as issue
  where issue.status = 'resolved' and issue.resolution like '%"next"%'
    and issue.project_id in (select $int(0) from $rows)`);

const settle = overRows(`
  update error_issues set resolution = next.resolution
  from (select $int(0) as id, $1 as resolution from $rows) as next
  where error_issues.id = next.id`);

/** Issues "resolved in the next release" are resolved in the first one that comes after. The projects must be locked. */
export async function settleNextReleases(
  database: Database,
  newReleases: readonly ReleaseKey[],
  transaction: TransactionHandle,
): Promise<void> {
  if (newReleases.length === 0) return;
  const projectIds = [...new Set(newReleases.map(({ projectId }) => projectId))];
  const issues = await runOverRows<{ id: number; project_id: number; resolution: string }>(
    database,
    waiting,
    projectIds.map((id) => [id]),
    transaction,
  );
  if (issues.length === 0) return;
  const withBase = issues.map((issue) => ({ ...issue, parsed: readResolution(issue.resolution) }));
  const bases = withBase.flatMap(({ project_id: projectId, parsed }) =>
    parsed.kind === "next" && parsed.base !== null ? [{ projectId, version: parsed.base }] : [],
  );
  const keys = [...bases, ...newReleases];
  const releases = await readReleases(database, keys, transaction);
  const rows = withBase.flatMap(({ id, project_id: projectId, parsed }) => {
    if (parsed.kind !== "next") return [];
    const known = releasesOf(projectId, keys, releases);
    const candidates = newReleases.filter((release) => release.projectId === projectId);
    const first = candidates.find(({ version }) => isAfterBase(parsed.base, version, known));
    return first === undefined ? [] : [[id, JSON.stringify({ kind: "release", release: first.version })]];
  });
  await runOverRows(database, settle, rows, transaction);
}

async function findUnmuted(
  database: Database,
  movable: readonly MovableIssue[],
  eventsOf: EventsOf,
  nowMs: number,
  transaction: TransactionHandle,
): Promise<MovedIssue[]> {
  const ignored = movable.flatMap((issue) => {
    const conditions = issue.status === "ignored" ? readIgnoreConditions(issue.ignore_conditions) : undefined;
    return conditions === undefined ? [] : [{ issue, conditions }];
  });
  if (ignored.length === 0) return [];
  const hoursOf = await slotsOf(database, "hour", ignored, nowMs, transaction);
  const minutesOf = await slotsOf(database, "minute", ignored, nowMs, transaction);
  return ignored.flatMap(({ issue, conditions }) => {
    const cause = byReceipt(eventsOf(issue)).findLast(({ receivedAtMs }) => receivedAtMs > issue.status_changed_at_ms);
    if (cause === undefined) return [];
    const hours = hoursOf.get(issue.id) ?? [];
    const isOver =
      (conditions.untilMs !== undefined && nowMs >= conditions.untilMs) ||
      enoughEvents(issue, conditions, hours, minutesOf.get(issue.id) ?? [], nowMs) ||
      (conditions.escalating === true && escalates(issue, hours, nowMs));
    return isOver ? [toMoved("unmuted", issue, cause)] : [];
  });
}

/** The slots that the conditions of these issues look at. */
function slotsOf(
  database: Database,
  unit: "hour" | "minute",
  ignored: readonly { readonly issue: MovableIssue; readonly conditions: IgnoreConditions }[],
  nowMs: number,
  transaction: TransactionHandle,
): Promise<Map<number, SlotCount[]>> {
  const wanted = ignored.flatMap(({ issue, conditions }) => {
    const { windowMs, events, escalating } = conditions;
    const inMinutes = windowMs !== undefined && windowMs <= hourMs;
    const spans = [
      ...(events !== undefined && windowMs !== undefined && inMinutes === (unit === "minute") ? [windowMs] : []),
      ...(escalating === true && unit === "hour" ? [escalationHistoryHours * hourMs] : []),
    ];
    const slotMs = unit === "hour" ? hourMs : minuteMs;
    return spans.length === 0
      ? []
      : [{ issueId: issue.id, fromSlot: Math.floor((nowMs - Math.max(...spans)) / slotMs) }];
  });
  return readSlots(database, unit, wanted, transaction);
}

function enoughEvents(
  issue: MovableIssue,
  { events, windowMs, fromEvents }: IgnoreConditions,
  hours: readonly SlotCount[],
  minutes: readonly SlotCount[],
  nowMs: number,
): boolean {
  if (events === undefined) return false;
  const since = issue.event_count - fromEvents;
  if (windowMs === undefined || since < events) return since >= events;
  const [slots, slotMs] = windowMs <= hourMs ? ([minutes, minuteMs] as const) : ([hours, hourMs] as const);
  const from = Math.floor((nowMs - windowMs) / slotMs);
  const within = slots.filter(({ slot }) => slot > from).reduce((sum, slot) => sum + slot.events, 0);
  return within >= events;
}

async function findEscalating(
  database: Database,
  movable: readonly MovableIssue[],
  eventsOf: EventsOf,
  hours: readonly HashCount[],
  nowMs: number,
  transaction: TransactionHandle,
): Promise<MovedIssue[]> {
  const thisHour = Math.floor(nowMs / hourMs);
  const counted = new Map(hours.filter(({ slot }) => slot === thisHour).map((count) => [hashKey(count), count.events]));
  const candidates = movable.filter((issue) => {
    if (issue.status !== "unresolved") return false;
    const keys = new Set(
      eventsOf(issue).flatMap(({ projectId, hashes }) => hashes.map(({ hash }) => hashKey({ projectId, hash }))),
    );
    return [...keys].reduce((sum, key) => sum + (counted.get(key) ?? 0), 0) > escalationFloor;
  });
  const fromSlot = thisHour - escalationHistoryHours;
  const history = await readSlots(
    database,
    "hour",
    candidates.map(({ id }) => ({ issueId: id, fromSlot })),
    transaction,
  );
  return candidates.flatMap((issue) => {
    const cause = byReceipt(eventsOf(issue)).at(-1);
    const isOne = cause !== undefined && escalates(issue, history.get(issue.id) ?? [], nowMs);
    return isOne ? [toMoved("escalating", issue, cause)] : [];
  });
}

function escalates(issue: MovableIssue, slots: readonly SlotCount[], nowMs: number): boolean {
  const thisHour = Math.floor(nowMs / hourMs);
  const before = slots.filter(({ slot }) => slot < thisHour && slot >= thisHour - escalationHistoryHours);
  return isEscalating({
    currentHour: slots.filter(({ slot }) => slot === thisHour).reduce((sum, { events }) => sum + events, 0),
    previousHours: before.reduce((sum, { events }) => sum + events, 0),
    highestHour: Math.max(0, ...before.map(({ events }) => events)),
    fullHistory: issue.first_seen_ms <= nowMs - escalationHistoryHours * hourMs,
  });
}
