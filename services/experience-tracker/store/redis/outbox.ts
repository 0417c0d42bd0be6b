import { type OutboxRecord, parseIdentityKey, type VerdictKind } from "@signalbox/experience";
import { decodeEntry, decodeRun, fieldsOf } from "./codec.js";

/** As a stream gives it: id, and fields with their values in turn. */
export type StreamEntry = [id: string, fields: string[]];

/** @throws {TypeError} for what the script never wrote */
export function decodeRecord([, flat]: StreamEntry): OutboxRecord {
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < flat.length; index += 2) fields.set(flat[index] ?? "", flat[index + 1] ?? "");
  const text = (name: string): string => fields.get(name) ?? "";
  const run = decodeRun(parseIdentityKey(text("i")), fieldsOf(text("r")));
  const base = { position: Number(text("p")), atMs: Number(text("t")), run };
  const entry = entryOf(text("e"));
  const kind = text("k");
  if (kind !== "checkpoint_recorded") return { ...base, kind: kind as VerdictKind, entry };
  if (!entry) throw new TypeError("A record of a checkpoint has no entry");
  return { ...base, kind, entry };
}

function entryOf(text: string) {
  if (text === "") return undefined;
  const end = text.indexOf("|");
  return decodeEntry(text.slice(0, end), text.slice(end + 1));
}
