import { type JsonObject, normalizeEventId } from "@signalbox/sentry-protocol";
import { scrubText } from "../scrub/scrub-event.js";
import type { ScrubSettings } from "../scrub/scrub-settings.js";
import { environmentField, objectField, releaseField, textField, UnreadableItem } from "./read-fields.js";
import { derivedId, type ItemReceipt } from "./read-session.js";

/** What somebody who met an error has to say. */
export interface Feedback {
  /** 32 hex digits; one that is known already is not stored again. */
  readonly feedbackId: string;
  /** The event that it is about, which may never come. */
  readonly eventId: string | undefined;
  readonly name: string | undefined;
  readonly email: string | undefined;
  readonly message: string;
  readonly url: string | undefined;
  readonly replayId: string | undefined;
  readonly release: string | undefined;
  readonly environment: string | undefined;
  readonly receivedAtMs: number;
}

export const maxFeedbackLength = 4096;

/** Of a `feedback` item, which is an event with what was said in a context. @throws {UnreadableItem} */
export function readFeedback(
  item: JsonObject,
  receipt: ItemReceipt & { readonly eventId: string | undefined },
  scrubbing: ScrubSettings,
): Feedback {
  const feedback = objectField(objectField(item["contexts"])["feedback"]);
  return scrubbed(
    {
      feedbackId: normalizeEventId(item["event_id"]) ?? receipt.eventId ?? derivedId(receipt.itemKey),
      eventId: normalizeEventId(feedback["associated_event_id"]),
      name: textField(feedback["name"], 256),
      email: textField(feedback["contact_email"], 256),
      message: messageOf(feedback["message"]),
      url: textField(feedback["url"], 2048),
      replayId: normalizeEventId(feedback["replay_id"]),
      release: releaseField(item["release"]),
      environment: environmentField(item["environment"]),
      receivedAtMs: receipt.receivedAtMs,
    },
    scrubbing,
  );
}

/** Of a `user_report` item, the older form. @throws {UnreadableItem} */
export function readUserReport(
  item: JsonObject,
  receipt: ItemReceipt & { readonly eventId: string | undefined },
  scrubbing: ScrubSettings,
): Feedback {
  const eventId = normalizeEventId(item["event_id"]) ?? receipt.eventId;
  if (eventId === undefined) throw new UnreadableItem("json");
  const message = messageOf(item["comments"]);
  const name = textField(item["name"], 256);
  const email = textField(item["email"], 256);
  return scrubbed(
    {
      // Sending the same words about the same event twice is one report.
      feedbackId: derivedId(JSON.stringify([eventId, name ?? null, email ?? null, message])),
      eventId,
      name,
      email,
      message,
      url: undefined,
      replayId: undefined,
      release: undefined,
      environment: undefined,
      receivedAtMs: receipt.receivedAtMs,
    },
    scrubbing,
  );
}

function messageOf(raw: JsonObject[string] | undefined): string {
  const message = textField(raw, maxFeedbackLength);
  if (message === undefined) throw new UnreadableItem("json");
  return message;
}

function scrubbed(feedback: Feedback, scrubbing: ScrubSettings): Feedback {
  const clean = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : scrubText(text, scrubbing);
  return {
    ...feedback,
    name: clean(feedback.name),
    email: clean(feedback.email),
    message: scrubText(feedback.message, scrubbing),
    url: clean(feedback.url),
  };
}
