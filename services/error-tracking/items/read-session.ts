import { createHash } from "node:crypto";
import { type JsonObject, type JsonValue, normalizeEventId } from "@signalbox/sentry-protocol";
import { parseTime } from "../normalise/times.js";
import {
  countField,
  durationField,
  environmentField,
  objectField,
  releaseField,
  textField,
  UnreadableItem,
} from "./read-fields.js";

/** What is known when items of a message are read. */
export interface ItemReceipt {
  readonly receivedAtMs: number;
  /** What is added to the client's times. */
  readonly driftMs: number;
  /** Names the item over all projects: its message and its place in it. */
  readonly itemKey: string;
}

/** One state of a session, or several sessions of one kind that were counted by the client. */
export interface SessionState {
  /** 32 hex digits. */
  readonly sessionId: string;
  /** Of several states of one session the highest is the newest. */
  readonly seq: number;
  readonly startedAtMs: number;
  readonly release: string;
  readonly environment: string;
  /** Whose session it is; undefined where the client does not say. */
  readonly user: string | undefined;
  readonly status: SessionStatus;
  readonly errors: number;
  readonly durationMs: number;
  readonly quantity: number;
}

type SessionStatus = "ok" | "exited" | "errored" | "crashed" | "abnormal";

const statuses: ReadonlyMap<unknown, SessionStatus> = new Map<string, SessionStatus>([
  ["ok", "ok"],
  ["exited", "exited"],
  ["errored", "errored"],
  ["unhandled", "errored"],
  ["crashed", "crashed"],
  ["abnormal", "abnormal"],
]);

const dayMs = 86_400_000;
/** How long after its start a session may still change. */
const longestSessionMs = 5 * dayMs;
/** How long a client may have kept it. */
const oldestMs = 30 * dayMs;
const futureToleranceMs = 60_000;
const maxErrors = 2 ** 31;

/** The state that a `session` item reports. @throws {UnreadableItem} */
export function readSession(item: JsonObject, receipt: ItemReceipt): SessionState {
  const sessionId = normalizeEventId(item["sid"]);
  if (sessionId === undefined) throw new UnreadableItem("json");
  const status = statuses.get(item["status"]) ?? "ok";
  const updatedAtMs = timeOf(item["timestamp"], receipt) ?? receipt.receivedAtMs;
  const startedAtMs = checkStart(timeOf(item["started"], receipt) ?? updatedAtMs, updatedAtMs, receipt);
  const errors = countField(item["errors"], maxErrors) ?? 0;
  return {
    sessionId,
    // Most SDKs send no number: time stands for it, and of two states in one millisecond the one that ends it is later.
    seq: countField(item["seq"], Number.MAX_SAFE_INTEGER) ?? Math.max(0, updatedAtMs) * 2 + (status === "ok" ? 0 : 1),
    startedAtMs,
    ...attributesOf(item),
    user: textField(item["did"], 256),
    status,
    errors: status === "crashed" ? Math.max(errors, 1) : errors,
    durationMs: durationField(item["duration"]) ?? 0,
    quantity: 1,
  };
}

const counted = ["exited", "errored", "crashed", "abnormal"] as const;

/** What a `sessions` item counted, one entry for each kind. @throws {UnreadableItem} */
export function readSessionAggregates(item: JsonObject, receipt: ItemReceipt): SessionState[] {
  const attributes = attributesOf(item);
  const { aggregates } = item;
  if (!Array.isArray(aggregates)) throw new UnreadableItem("json");
  return aggregates.flatMap((entry, position) => {
    const bucket = objectField(entry);
    const startedAtMs = timeOf(bucket["started"], receipt) ?? receipt.receivedAtMs;
    // One bucket out of time says nothing about the others.
    if (isTooOld(startedAtMs, receipt)) return [];
    return counted.flatMap((status): SessionState[] => {
      const quantity = countField(bucket[status], 1_000_000_000) ?? 0;
      if (quantity === 0) return [];
      return [
        {
          sessionId: derivedId(`${receipt.itemKey}:${position}:${status}`),
          seq: 1,
          startedAtMs: Math.min(startedAtMs, receipt.receivedAtMs),
          ...attributes,
          user: textField(bucket["did"], 256),
          status,
          errors: status === "exited" ? 0 : 1,
          durationMs: 0,
          quantity,
        },
      ];
    });
  });
}

function attributesOf(item: JsonObject): { readonly release: string; readonly environment: string } {
  const attributes = objectField(item["attrs"]);
  const release = releaseField(attributes["release"]);
  if (release === undefined) throw new UnreadableItem("no_release");
  return { release, environment: environmentField(attributes["environment"]) };
}

function timeOf(raw: JsonValue | undefined, { driftMs }: ItemReceipt): number | undefined {
  const timeMs = parseTime(raw);
  return timeMs === undefined ? undefined : timeMs + driftMs;
}

function checkStart(startedAtMs: number, updatedAtMs: number, receipt: ItemReceipt): number {
  if (isTooOld(startedAtMs, receipt) || updatedAtMs - startedAtMs > longestSessionMs)
    throw new UnreadableItem("too_late");
  return startedAtMs > receipt.receivedAtMs + futureToleranceMs ? receipt.receivedAtMs : startedAtMs;
}

function isTooOld(startedAtMs: number, { receivedAtMs }: ItemReceipt): boolean {
  return startedAtMs < receivedAtMs - oldestMs;
}

/** An id that is made from what it names, as 32 hex digits. */
export function derivedId(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
