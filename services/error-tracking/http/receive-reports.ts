import { isUtf8 } from "node:buffer";
import {
  createEventId,
  type ItemType,
  isJsonObject,
  type JsonObject,
  normalizeEventId,
  ProtocolError,
  parseJson,
  parseJsonObject,
} from "@signalbox/sentry-protocol";
import type { Acceptance } from "../edge/accept.js";
import type { RecordOutcome } from "../edge/edge-outcomes.js";
import type { IncomingItem } from "../edge/gather-items.js";
import { eventDepth, type IngestLimits, itemBytes } from "../edge/ingest-limits.js";
import { toSlug } from "../items/read-check-in.js";
import { airbrakeEvent } from "./airbrake-event.js";
import { type Door, type EdgeRequest, noHeader } from "./door.js";
import { IngestError } from "./ingest-errors.js";

export interface ReportReceiverDependencies {
  readonly door: Door;
  readonly limits: IngestLimits;
  readonly recordOutcome: RecordOutcome;
}

/** Reports that are no envelopes. Promises and errors as those of `Receiver`. */
export interface ReportReceiver {
  /** What a browser reports about a page's policies. */
  security(request: EdgeRequest): Promise<Acceptance>;
  /** A job tells how it is getting on; resolves with the id of the check-in. */
  cron(request: EdgeRequest): Promise<Acceptance & { readonly checkInId: string }>;
  /** Counts what is not kept. */
  skip(request: EdgeRequest, itemType: ItemType): Promise<void>;
  /** A crash of the Unreal engine: kept as an attachment of an event that never comes. */
  unreal(request: EdgeRequest): Promise<Acceptance & { readonly crashId: string }>;
  /** A notice of an Airbrake notifier. */
  airbrake(request: EdgeRequest): Promise<Acceptance>;
}

const reportTypes =
  /^application\/(?:csp-report|json|reports\+json|expect-ct-report|expect-ct-report\+json|expect-staple-report|expect-staple-report\+json) *(?:;|$)/i;

const checkInStatuses: ReadonlySet<unknown> = new Set(["in_progress", "ok", "error"]);

export function createReportReceiver({ door, limits, recordOutcome }: ReportReceiverDependencies): ReportReceiver {
  const readCheckIn = async (request: EdgeRequest): Promise<JsonObject> => {
    const { query, raw } = request;
    const bytes = raw.method === "POST" ? await door.readWhole(request, itemBytes.checkIn) : new Uint8Array(0);
    const sent = bytes.length === 0 ? {} : parseJsonObject(bytes, { maxDepth: 20 });
    for (const name of ["status", "check_in_id", "environment", "duration"]) {
      const value = query.get(name);
      if (value !== null) sent[name] = value;
    }
    const slug = toSlug(request.argument);
    if (slug === undefined || !checkInStatuses.has(sent["status"])) throw new IngestError("ET_REPORT_INVALID");
    return { ...sent, monitor_slug: slug, check_in_id: checkInIdOf(sent["check_in_id"]) };
  };

  return {
    security: (request) =>
      door.asKnownSender(request, async (credentials, sender) => {
        if (!reportTypes.test(request.mediaType)) throw new IngestError("ET_MEDIA_TYPE_UNSUPPORTED");
        const payload = await door.readWhole(request, itemBytes.securityReport);
        if (payload.length === 0) throw new ProtocolError("ET_BODY_EMPTY");
        if (!isUtf8(payload)) throw new IngestError("ET_REPORT_INVALID");
        // What cannot be read is told to the sender here, where there is one who asks.
        const report = parseJson(payload, { maxDepth: 20 });
        if (!isJsonObject(report) && !Array.isArray(report)) throw new IngestError("ET_REPORT_INVALID");
        const { query } = request;
        const attributes = {
          sentry_release: query.get("sentry_release"),
          sentry_environment: query.get("sentry_environment"),
        };
        return door.accept(credentials, sender, request, noHeader, [itemOf("raw_security", payload, attributes)]);
      }),

    cron: (request) =>
      door.asKnownSender(request, async (credentials, sender) => {
        const checkIn = await readCheckIn(request);
        const item: IncomingItem = {
          ...itemOf("check_in", Buffer.from(JSON.stringify(checkIn))),
          // A job that is not heard of is taken for one that failed.
          isUnlimited: true,
        };
        const acceptance = await door.accept(credentials, sender, request, noHeader, [item]);
        return { ...acceptance, checkInId: String(checkIn["check_in_id"]) };
      }),

    skip: (request, itemType) =>
      door.asKnownSender(request, async (credentials, sender) => {
        await door.readPieces(request, limits.envelopeBytes, async (pieces) => {
          for await (const _piece of pieces) {
            // Nothing of it is kept.
          }
        });
        await door.accept(credentials, sender, request, noHeader, [itemOf(itemType, new Uint8Array(0))]);
      }),

    unreal: (request) =>
      door.asKnownSender(request, async (credentials, sender) => {
        const crashId = createEventId();
        const { projectId, keyId } = sender;
        const acceptance = await door.readPieces(request, limits.requestBytes, (payload) =>
          door.accept(credentials, sender, request, { ...noHeader, eventId: crashId }, [
            {
              type: "attachment",
              length: undefined,
              attributes: { filename: "unreal.crash", attachment_type: "unreal.crash" },
              payload,
            },
          ]),
        );
        recordOutcome({
          projectId,
          keyId,
          category: "security",
          itemType: "unreal_report",
          outcome: "not_stored",
          reason: "unreal_report",
          quantity: 1,
        });
        return { ...acceptance, crashId };
      }),

    airbrake: (request) =>
      door.asKnownSender(request, async (credentials, sender) => {
        const body = await door.readWhole(request, limits.eventBytes);
        if (body.length === 0) throw new ProtocolError("ET_BODY_EMPTY");
        const event = airbrakeEvent(parseJsonObject(body, { maxDepth: eventDepth }));
        const payload = Buffer.from(JSON.stringify(event));
        return door.accept(credentials, sender, request, noHeader, [itemOf("event", payload)]);
      }),
  };
}

/** Zeros stand for the newest one in progress; whoever has no id of its own gets one. */
function checkInIdOf(sent: unknown): string {
  if (typeof sent === "string" && /^[0-]+$/.test(sent)) return "0".repeat(32);
  return normalizeEventId(sent) ?? createEventId();
}

function itemOf(type: ItemType, payload: Uint8Array, attributes: IncomingItem["attributes"] = {}): IncomingItem {
  return { type, length: payload.length, attributes, payload };
}
