import type { Blobs } from "@signalbox/blobs";
import type { DeadLetter } from "@signalbox/event-store";
import { errorCode } from "@signalbox/kernel";
import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import { type PackedPayload, unpackPayload } from "./payload.js";

/** What a client sent, as it sent it. */
export interface RawItem {
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** The message of a letter, wherever its data is; undefined when it is not kept any longer. */
export async function readLetterData(letter: DeadLetter, blobs: Blobs | undefined): Promise<JsonObject | undefined> {
  const wire: unknown = JSON.parse(letter.event);
  if (!isJsonObject(wire)) return undefined;
  const { data, dataref } = wire;
  if (typeof dataref !== "string") return isJsonObject(data) ? data : undefined;
  try {
    const kept: unknown = blobs && JSON.parse(Buffer.from(await blobs.get(dataref)).toString("utf8"));
    return isJsonObject(kept) ? kept : undefined;
  } catch (cause) {
    if (errorCode(cause) === "BLOB_NOT_FOUND") return undefined;
    throw cause;
  }
}

/** The bytes of each item of a message. */
export function rawItemsOf(data: JsonObject): RawItem[] {
  const items = Array.isArray(data["items"]) ? data["items"] : [{ type: "event", payload: data["payload"] ?? null }];
  return items.flatMap((item: unknown): RawItem[] => {
    if (!isJsonObject(item)) return [];
    const { type, payload } = item;
    return typeof type === "string" && isPacked(payload) ? [{ type, bytes: bytesOf(payload) }] : [];
  });
}

/** What cannot be unpacked is shown as it is: that may be why nobody could store it. */
function bytesOf(payload: PackedPayload): Uint8Array {
  try {
    return unpackPayload(payload);
  } catch {
    return Buffer.from(payload.content, "base64");
  }
}

/** Keys of the blobs that a message carries along. */
export function blobsOf({ attachments }: JsonObject): string[] {
  return (Array.isArray(attachments) ? attachments : []).flatMap((attachment: unknown) =>
    isJsonObject(attachment) && typeof attachment["blob"] === "string" ? [attachment["blob"]] : [],
  );
}

function isPacked(payload: unknown): payload is PackedPayload {
  return (
    isJsonObject(payload) &&
    typeof payload["content"] === "string" &&
    typeof payload["bytes"] === "number" &&
    (payload["encoding"] === "text" || payload["encoding"] === "base64" || payload["encoding"] === "gzip")
  );
}
