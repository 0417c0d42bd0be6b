import type { OutboxRecord, Run, RunIdentity, TimelineEntry } from "@signalbox/experience";

// Text forms of the SQL store. What is `undefined` is left out on the way in and missing on the way out, which means the
// same to everybody who reads the values.

export function encodeRun({ identity: _, ...rest }: Run): string {
  return JSON.stringify(rest);
}

export function decodeRun(identity: RunIdentity, text: string): Run {
  return { identity, ...JSON.parse(text) };
}

export function encodeEntry(entry: TimelineEntry): string {
  return JSON.stringify(entry);
}

export function decodeEntry(text: string): TimelineEntry {
  return JSON.parse(text);
}

export function encodeRecord(record: OutboxRecord): string {
  return JSON.stringify(record);
}

export function decodeRecord(text: string): OutboxRecord {
  return JSON.parse(text);
}
