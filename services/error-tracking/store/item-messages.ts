import type { Database, TransactionHandle } from "@signalbox/database";
import { overRows, runOverRows } from "./json-rows.js";

export interface ItemMessage {
  readonly projectId: number;
  readonly messageId: string;
  readonly receivedAtMs: number;
}

const claim = overRows(`
  insert into error_item_messages (project_id, message_id, received_at_ms)
  select $int(0), $1, $int(2) from $rows where true
  on conflict (project_id, message_id) do nothing
  returning message_id`);

const known = overRows(`
  select known.message_id, known.received_at_ms, known.repeated_at_ms from $rows
  join error_item_messages as known on known.project_id = $int(0) and known.message_id = $1`);

const repeat = overRows(`
  update error_item_messages set repeated_at_ms = copy.received_at_ms
  from (select $int(0) as project_id, $1 as message_id, $int(2) as received_at_ms from $rows) as copy
  where error_item_messages.project_id = copy.project_id and error_item_messages.message_id = copy.message_id`);

/** What is to be done with each of some messages. */
export interface SortedMessages<Message extends ItemMessage> {
  /** Seen for the first time. */
  readonly fresh: readonly Message[];
  /** Sent again by the client, and not counted as such before. */
  readonly copies: readonly Message[];
}

/**
 * Remembers messages, so that each has its effect once. Of two transactions with one message the second waits for the
 * first. A message that is in neither list was delivered before, and its transaction was committed.
 */
export async function claimMessages<Message extends ItemMessage>(
  database: Database,
  messages: readonly Message[],
  transaction: TransactionHandle,
): Promise<SortedMessages<Message>> {
  const first = new Map<string, Message>();
  for (const message of messages) if (!first.has(message.messageId)) first.set(message.messageId, message);
  const rows = [...first.values()].sort((a, b) => (a.messageId < b.messageId ? -1 : 1)).map(toRow);
  const claimed = await runOverRows<{ message_id: string }>(database, claim, rows, transaction);
  const fresh = new Set(claimed.map(({ message_id: id }) => first.get(id)));
  const others = messages.filter((message) => !fresh.has(message));
  const before = await runOverRows<{ message_id: string; received_at_ms: number; repeated_at_ms: number | null }>(
    database,
    known,
    others.map(toRow),
    transaction,
  );
  const receipts = new Map(before.map((row) => [row.message_id, [row.received_at_ms, row.repeated_at_ms]]));
  const copies = others.filter(({ messageId, receivedAtMs }) => !receipts.get(messageId)?.includes(receivedAtMs));
  await runOverRows(database, repeat, copies.map(toRow), transaction);
  return { fresh: messages.filter((message) => fresh.has(message)), copies };
}

function toRow({ projectId, messageId, receivedAtMs }: ItemMessage): (string | number)[] {
  return [projectId, messageId, receivedAtMs];
}
