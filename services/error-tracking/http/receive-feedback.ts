import { errorCode } from "@signalbox/kernel";
import {
  type Dsn,
  decodeUtf8,
  type JsonObject,
  normalizeEventId,
  ProtocolError,
  parseDsn,
  parseJsonObject,
} from "@signalbox/sentry-protocol";
import type { Acceptance } from "../edge/accept.js";
import { itemBytes } from "../edge/ingest-limits.js";
import { type Door, type EdgeRequest, noHeader } from "./door.js";
import { IngestError } from "./ingest-errors.js";

/** What somebody said, as it was taken. */
export interface TakenFeedback extends Acceptance {
  readonly report: {
    readonly event_id: string;
    readonly name: string;
    readonly email: string;
    readonly comments: string;
  };
}

/** What people say of an event, without an envelope. Promises and errors as those of `Receiver`. */
export interface FeedbackReceiver {
  /** A program sends what its user said. */
  userFeedback(request: EdgeRequest): Promise<TakenFeedback>;
  /** Whether the query names an event and a DSN that is taken, so that the dialog may be shown. */
  checkDialog(request: EdgeRequest): Promise<void>;
  /** The dialog's form; what is missing in it is in the result instead. */
  dialog(request: EdgeRequest): Promise<TakenFeedback | { readonly missing: readonly string[] }>;
}

const fields = ["name", "email", "comments"] as const;

export function createFeedbackReceiver(door: Door): FeedbackReceiver {
  const take = (request: EdgeRequest, report: TakenFeedback["report"]): Promise<TakenFeedback> =>
    door.asKnownSender(request, async (credentials, sender) => {
      const payload = Buffer.from(JSON.stringify(report));
      const item = { type: "user_report", length: payload.length, attributes: {}, payload };
      return { ...(await door.accept(credentials, sender, request, noHeader, [item])), report };
    });

  return {
    userFeedback: (request) => {
      const claimed = withDsn(request, /^DSN\s+(\S+)$/i.exec(request.headers.authorization ?? "")?.[1]);
      return door.asKnownSender(claimed, async () => {
        const body = await door.readWhole(claimed, itemBytes.feedback);
        if (body.length === 0) throw new ProtocolError("ET_BODY_EMPTY");
        const isForm = /^application\/x-www-form-urlencoded\b/i.test(request.mediaType);
        const sent = isForm ? formOf(body) : parseJsonObject(body, { maxDepth: 20 });
        const eventId = normalizeEventId(sent["event_id"]);
        if (eventId === undefined) throw new IngestError("ET_EVENT_ID_INVALID");
        const report = reportOf(eventId, sent);
        if (report.comments.trim() === "") throw new IngestError("ET_REPORT_INVALID");
        return take(claimed, report);
      });
    },

    async checkDialog(request) {
      eventIdOf(request);
      await door.asKnownSender(ofDialog(request), async () => {});
    },

    dialog: (request) => {
      const claimed = ofDialog(request);
      const eventId = eventIdOf(request);
      return door.asKnownSender(claimed, async () => {
        const sent = formOf(await door.readWhole(claimed, itemBytes.feedback));
        const missing = fields.filter((name) => String(sent[name] ?? "").trim() === "");
        return missing.length > 0 ? { missing } : take(claimed, reportOf(eventId, sent));
      });
    },
  };
}

function ofDialog(request: EdgeRequest): EdgeRequest {
  const dsn = request.query.get("dsn");
  if (dsn === null) throw new ProtocolError("ET_AUTH_MISSING");
  return withDsn(request, dsn);
}

/** The request with the key and the project of a DSN, if it has one. */
function withDsn(request: EdgeRequest, text: string | undefined): EdgeRequest {
  if (text === undefined) return request;
  const { key, project } = dsnOf(text);
  const { argument } = request;
  // The path may name the project by its slug; a number must be the right one.
  if (argument !== undefined && /^\d+$/.test(argument) && Number(argument) !== project)
    throw new ProtocolError("ET_DSN_MISMATCH");
  return { ...request, pathKey: key, project };
}

function dsnOf(text: string): Dsn {
  try {
    return parseDsn(text);
  } catch (cause) {
    if (errorCode(cause) === "ET_DSN_INVALID") throw new ProtocolError("ET_DSN_INVALID", { cause });
    throw cause;
  }
}

function eventIdOf({ query }: EdgeRequest): string {
  const eventId = normalizeEventId(query.get("eventId"));
  if (eventId === undefined) throw new IngestError("ET_EVENT_ID_INVALID");
  return eventId;
}

function formOf(body: Uint8Array): JsonObject {
  return Object.fromEntries(new URLSearchParams(decodeUtf8(body)));
}

function reportOf(eventId: string, sent: JsonObject): TakenFeedback["report"] {
  const text = (name: string): string => (typeof sent[name] === "string" ? sent[name] : "");
  return { event_id: eventId, name: text("name"), email: text("email"), comments: text("comments") };
}
