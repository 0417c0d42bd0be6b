import { type OutboxRecord, parseIdentityKey, type VerdictKind } from "@signalbox/experience";
import { decodeEntry, decodeRun, divider } from "./codec.js";

/** As a stream gives it: id, and fields with their values in turn. */
export type StreamEntry = [id: string, fields: string[]];

/** @throws {TypeError} for what the script never wrote */
export function decodeRecord([, [, identity = "", , joined = ""]]: StreamEntry): OutboxRecord {
  const [kind, position, at, run = "", eventKey = "", text = ""] = joined.split(divider.record);
  const base = { position: Number(position), atMs: Number(at), run: decodeRun(parseIdentityKey(identity), run) };
  const entry = text === "" ? undefined : decodeEntry(eventKey, text);
  if (kind !== "checkpoint_recorded") return { ...base, kind: kind as VerdictKind, entry };
  if (!entry) throw new TypeError("A record of a checkpoint has no entry");
  return { ...base, kind, entry };
}
