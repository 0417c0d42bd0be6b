import { isRecord } from "./is-record.js";

/**
 * JSON texts of the checkpoints that were kept as one list.
 * @throws for anything but a list of objects
 */
export function readTexts(text: string): string[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list) || !list.every(isRecord)) throw new TypeError("no list of checkpoints");
  // Each gets the time of the next attempt.
  return list.map((entry: object) => JSON.stringify({ ...entry, sent_timestamp: undefined }));
}
