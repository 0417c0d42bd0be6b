import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { DeadLetter, DeadLetters } from "@signalbox/event-store";
import { isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from "@signalbox/sentry-protocol";
import { ledgerFields, prefixOf } from "../digest/dead-events.js";
import { blobsOf, type RawItem, rawItemsOf, readLetterData } from "../digest/letter-data.js";
import type { UserNames } from "../issues/hidden-events.js";
import { referredBlobs } from "../store/attachments.js";
import { overRows, runOverRows } from "../store/json-rows.js";

export interface LetterErasure {
  readonly letters: () => Pick<DeadLetters, "list" | "forget">;
  readonly blobs: Blobs | undefined;
  readonly database: Database;
}

/** Which of a project's letters are to go. */
export type LetterSubject =
  | { readonly kind: "project" }
  | { readonly kind: "event"; readonly eventId: string }
  /** Only what was received before: later events of these hashes are a new issue's. */
  | { readonly kind: "issue"; readonly hashes: readonly string[]; readonly untilMs: number }
  /** Only what died before, so that what the user sends later stays. */
  | { readonly kind: "user"; readonly user: UserNames; readonly untilMs: number };

const lettersAtOnce = 500;
const reason = "erased";

/**
 * Takes what dead letters of a project carry, with the attachments that came along; letters keep their place in the
 * ledger. Those that are being replayed are left to the next call. Resolves with how many.
 */
export async function eraseLetters(
  { letters, blobs, database }: LetterErasure,
  projectId: number,
  subject: LetterSubject,
): Promise<number> {
  let erased = 0;
  let after: { readonly deadAtMs: number; readonly id: string } | null = null;
  do {
    const page: Awaited<ReturnType<DeadLetters["list"]>> = await letters().list(
      { idPrefix: prefixOf(projectId) },
      after === null ? { limit: lettersAtOnce } : { limit: lettersAtOnce, after },
    );
    const read = await Promise.all(
      page.letters.map(async (letter) => ({ letter, data: await readLetterData(letter, blobs) })),
    );
    const known = await eventsOfHashes(database, projectId, subject, page.letters);
    const meant = read.filter(({ letter, data }) => data !== undefined && isMeant(subject, letter, data, known));
    if (meant.length > 0) {
      const ids = meant.map(({ letter }) => letter.id);
      erased += (await letters().forget(ids, { reason, keep: ledgerFields })).forgotten;
      const carried = meant.flatMap(({ data }) => (data === undefined ? [] : blobsOf(data)));
      const referred = await referredBlobs(database, carried);
      for (const blob of carried) if (!referred.has(blob)) await blobs?.delete(blob);
    }
    after = page.next;
  } while (after !== null);
  return erased;
}

const ended = ["resolved", "discarded", "expired"] as const;

/** Letters that ended have no use for what they carry, which nobody has scrubbed. May be repeated. */
export async function forgetEndedLetters(letters: Pick<DeadLetters, "forget">): Promise<void> {
  for (const state of ended) await letters.forget({ idPrefix: "et:", state }, { reason: state, keep: ledgerFields });
}

const ofHashes = overRows(`
  select known.event_id, known.primary_hash, known.received_at_ms from $rows
  join error_event_ids as known on known.project_id = $int(0) and known.event_id = $1`);

/** Events among the letters that were counted under one of the hashes before their rows were refused. */
async function eventsOfHashes(
  database: Database,
  projectId: number,
  subject: LetterSubject,
  letters: readonly DeadLetter[],
): Promise<ReadonlySet<string>> {
  if (subject.kind !== "issue") return new Set();
  const rows = await runOverRows<{ event_id: string; primary_hash: string; received_at_ms: number }>(
    database,
    ofHashes,
    letters.map(({ id }) => [projectId, id.slice(prefixOf(projectId).length, prefixOf(projectId).length + 32)]),
  );
  return new Set(
    rows
      .filter((row) => subject.hashes.includes(row.primary_hash) && Number(row.received_at_ms) <= subject.untilMs)
      .map((row) => `${prefixOf(projectId)}${row.event_id}.`),
  );
}

function isMeant(subject: LetterSubject, letter: DeadLetter, data: JsonObject, ofIssue: ReadonlySet<string>): boolean {
  switch (subject.kind) {
    case "project":
      return true;
    case "event":
      return data["event_id"] === subject.eventId;
    case "issue":
      return [...ofIssue].some((prefix) => letter.id.startsWith(prefix));
    case "user":
      return letter.deadAtMs <= subject.untilMs && speaksOf(data, subject.user);
  }
}

/** Whether a message says anything of a user. What cannot be read is searched as text. */
function speaksOf(data: JsonObject, user: UserNames): boolean {
  const { address } = user;
  if (address !== undefined && data["client_address"] === address) return true;
  return rawItemsOf(data).some((item) => itemSpeaksOf(item, user));
}

function itemSpeaksOf({ bytes }: RawItem, user: UserNames): boolean {
  let payload: JsonObject;
  try {
    payload = parseJsonObject(bytes);
  } catch {
    const text = Buffer.from(bytes).toString("utf8").toLowerCase();
    return [user.email, user.address, user.id && JSON.stringify(user.id)].some(
      (name) => name !== undefined && name !== "" && text.includes(name.toLowerCase()),
    );
  }
  return names(payload, user);
}

/** Fields that hold the id of a user: of an event's `user`, and of a session. */
const idFields: ReadonlySet<string> = new Set(["id", "did"]);

function names(value: JsonValue, user: UserNames, field = "", inUser = false): boolean {
  if (Array.isArray(value)) return value.some((item) => names(item, user, field, inUser));
  if (isJsonObject(value))
    return Object.entries(value).some(([key, item]) =>
      names(item, user, key, inUser || key === "user" || key === "sentry.interfaces.User"),
    );
  if (typeof value !== "string" && typeof value !== "number") return false;
  const text = String(value);
  if (user.address !== undefined && text === user.address) return true;
  if (user.email !== undefined && text.toLowerCase() === user.email.toLowerCase()) return true;
  return user.id !== undefined && text === user.id && idFields.has(field) && (inUser || field === "did");
}
