import type { Clock } from "@signalbox/kernel";
import { type Names, readSubject } from "./names.js";
import { decodeWire, unreadableWire, type Wire } from "./wire.js";

/** A message as the connection and the stream show it. */
export interface AnyMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: { get(name: string): string } | undefined;
}

/** What a message says; for one that is no delivery, what can be told of it. `undefined` where even its subject says nothing. */
export function readMessage(
  { subject, data, headers }: AnyMessage,
  streamSeq: () => number,
  { names, clock }: { readonly names: Names; readonly clock: Clock },
): Wire | undefined {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
  const wire = decodeWire(text);
  if (wire) return wire;
  const of = readSubject(names, subject);
  const messageId = headers?.get("Nats-Msg-Id") || `unreadable-${streamSeq()}`;
  return of && unreadableWire(of, messageId, text, clock.nowMs());
}
