import type { OutboxRecord, Run, RunIdentity, TimelineEntry } from "@signalbox/experience";

// Text forms of the SQL store. What is `undefined` is left out on the way in and missing on the way out, which means the
// same to everybody who reads the values.

export function encodeRun(run: Run): string {
  // A copy of the same shape: one without the member costs more to make and to write than the run itself.
  return JSON.stringify({ ...run, identity: undefined });
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

/** `run` and `entry` are the texts of the record's own, which are most of it and written anyway. */
export function encodeRecord(record: OutboxRecord, run: string, entry: string | undefined): string {
  const { kind, position, atMs } = record;
  const runWithIdentity = `{"identity":${JSON.stringify(record.run.identity)},${run.slice(1)}`;
  const head = `{"kind":"${kind}","position":${position},"atMs":${atMs},"run":${runWithIdentity}`;
  return entry === undefined ? `${head}}` : `${head},"entry":${entry}}`;
}

export function decodeRecord(text: string): OutboxRecord {
  return JSON.parse(text);
}
