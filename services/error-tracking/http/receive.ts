import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { type Clock, errorCode } from "@signalbox/kernel";
import {
  type Credentials,
  type Dsn,
  type Envelope,
  type EnvelopeHeader,
  type EnvelopeLimits,
  ProtocolError,
  parseEnvelope,
  readCredentials,
  readEnvelope,
  readStoreBody,
  resolveClaim,
} from "@signalbox/sentry-protocol";
import { type Acceptance, type Acceptor, backpressure, type IngestRequest } from "../accept.js";
import type { RecordOutcome } from "../edge-outcomes.js";
import type { IncomingItem } from "../gather-items.js";
import {
  concurrentStreams,
  envelopeHeaderBytes,
  type IngestLimits,
  waitingStreams,
  wholeBodyBytes,
  wholeEnvelopeBytes,
} from "../ingest-limits.js";
import type { KeyCache } from "../key-cache.js";
import type { Sender } from "../sender.js";
import { decodeStream, decodeWhole, parseContentEncoding } from "./decode-body.js";
import { IngestError } from "./ingest-errors.js";
import { type Body, createBodyReader } from "./read-body.js";
import { createStreamSlots } from "./stream-slots.js";

/** A request as it reaches the edge. */
export interface EdgeRequest {
  readonly route: "envelope" | "store";
  readonly raw: IncomingMessage;
  readonly headers: IncomingHttpHeaders;
  readonly mediaType: string;
  readonly query: URLSearchParams;
  /** Undefined where the path names none. */
  readonly project: number | undefined;
  readonly receivedAtMs: number;
  readonly clientAddress: string | undefined;
  readonly correlationId: string | undefined;
}

export interface ReceiverDependencies {
  readonly keys: KeyCache;
  readonly acceptor: Acceptor;
  readonly limits: IngestLimits;
  readonly clock: Clock;
  readonly recordOutcome: RecordOutcome;
  /** True while the disk is too full to take anything. */
  readonly isDiskGuardActive: () => boolean;
  readonly onEnvelopeBytes: (route: string, bytes: number) => void;
  readonly maxBodyIdleMs: number;
}

/**
 * Each method reads one request and resolves when what it brought is durable.
 * @throws {ProtocolError} or {IngestError} when the request as a whole is refused; it is counted when its key was known
 */
export interface Receiver {
  envelope(request: EdgeRequest): Promise<Acceptance>;
  /** The body is one event. */
  store(request: EdgeRequest): Promise<Acceptance>;
  /** The query's `sentry_data` is one event. */
  storeQuery(request: EdgeRequest): Promise<Acceptance>;
}

/** Slower bodies than this are taken for an attempt to hold connections. */
const minBytesPerSecond = 256;

export function createReceiver(dependencies: ReceiverDependencies): Receiver {
  const { keys, acceptor, limits, clock, recordOutcome, isDiskGuardActive, onEnvelopeBytes } = dependencies;
  const envelopeLimits: EnvelopeLimits = { maxHeaderBytes: envelopeHeaderBytes, maxItems: limits.itemsPerEnvelope };
  const bodies = createBodyReader(
    {
      wholeBytes: Math.min(wholeBodyBytes, limits.requestBytes),
      maxBytes: limits.requestBytes,
      maxIdleMs: dependencies.maxBodyIdleMs,
      minBytesPerSecond,
    },
    clock,
  );
  const slots = createStreamSlots(concurrentStreams, waitingStreams);
  /** Base64 of the largest event, with room for line breaks. */
  const storeBytes = Math.ceil(limits.eventBytes * 1.5) + 1024;

  /** All reasons look the same from outside, so that nobody learns which keys or projects exist. */
  const authorise = async (key: string, project: number | undefined): Promise<Sender> => {
    const entry = await keys.find(key);
    if (!entry || (project !== undefined && project !== entry.projectId)) throw new IngestError("ET_KEY_REFUSED");
    return entry;
  };

  const accept = async (
    { client }: Credentials,
    sender: Sender,
    request: EdgeRequest,
    header: Pick<EnvelopeHeader, "eventId" | "sentAtMs" | "sdk">,
    items: Iterable<IncomingItem> | AsyncIterable<IncomingItem>,
  ): Promise<Acceptance> => {
    const details: IngestRequest = {
      ...sender,
      receivedAtMs: request.receivedAtMs,
      client,
      clientAddress: request.clientAddress,
      origin: originOf(request.headers),
      userAgent: request.headers["user-agent"]?.slice(0, 512),
      correlationId: request.correlationId,
    };
    const acceptance = await acceptor.accept({ ...header, items }, details);
    keys.markUsed(sender.keyId);
    return acceptance;
  };

  /** Runs `read` with the sender, if the request names one, and counts the request when it fails. */
  const asSender = async (
    request: EdgeRequest,
    read: (
      credentials: Credentials,
      known: Sender | undefined,
      onSender: (sender: Sender) => void,
    ) => Promise<Acceptance>,
  ): Promise<Acceptance> => {
    const credentials = readCredentials(request.headers, request.query);
    let sender = credentials.key === undefined ? undefined : await authorise(credentials.key, request.project);
    try {
      if (isDiskGuardActive()) throw backpressure(undefined, "ET_DISK_FULL");
      return await read(credentials, sender, (found) => {
        sender = found;
      });
    } catch (error) {
      const reason = refusalReason(error);
      if (sender && reason) {
        recordOutcome({
          projectId: sender.projectId,
          keyId: sender.keyId,
          category: request.route === "store" ? "error" : "default",
          itemType: "request",
          quantity: 1,
          ...reason,
        });
      }
      throw error;
    }
  };

  const envelope = (request: EdgeRequest): Promise<Acceptance> =>
    asSender(request, async (credentials, known, onSender) => {
      /** The key's sender, after what the envelope itself says about it was heard. */
      const confirm = async (dsn: Dsn | undefined): Promise<Sender> => {
        const claim = resolveClaim(credentials.key, known?.projectId ?? request.project, dsn);
        const sender = known ?? (await authorise(claim.key, claim.project));
        onSender(sender);
        return sender;
      };
      const layers = parseContentEncoding(request.headers["content-encoding"]);
      const body = await bodies.read(request.raw);
      const bytes =
        body.kind === "whole"
          ? decodeWhole(body.bytes, layers, Math.min(wholeEnvelopeBytes, limits.envelopeBytes))
          : undefined;
      if (bytes) {
        onEnvelopeBytes(request.route, bytes.length);
        const whole = parseEnvelope(bytes, envelopeLimits);
        const gzip = body.kind === "whole" && layers.length === 1 && layers[0] === "gzip" ? body.bytes : undefined;
        const items = itemsOf(whole, bytes, gzip);
        return accept(credentials, await confirm(whole.header.dsn), request, whole.header, items);
      }
      return slots.run(async () => {
        let total = 0;
        const pieces = counted(decodeStream(piecesOf(body), layers, limits.envelopeBytes), (piece) => {
          total += piece.length;
        });
        const streamed = await readEnvelope(pieces, envelopeLimits);
        try {
          return await accept(
            credentials,
            await confirm(streamed.header.dsn),
            request,
            streamed.header,
            streamed.items,
          );
        } finally {
          await streamed.close();
          onEnvelopeBytes(request.route, total);
        }
      });
    });

  const acceptStoreBody = (
    credentials: Credentials,
    sender: Sender,
    request: EdgeRequest,
    body: Uint8Array,
  ): Promise<Acceptance> => {
    const payload = readStoreBody(body, limits.eventBytes);
    const item: IncomingItem = { type: "event", length: payload.length, attributes: {}, payload };
    return accept(credentials, sender, request, { eventId: undefined, sentAtMs: undefined, sdk: undefined }, [item]);
  };

  return {
    envelope,

    store: (request) => {
      if (isEnvelopeType(request.mediaType)) return envelope(request);
      return asSender(request, async (credentials, sender) => {
        if (!sender) throw new ProtocolError("ET_AUTH_MISSING");
        const layers = parseContentEncoding(request.headers["content-encoding"]);
        const body = await bodies.read(request.raw);
        const whole = body.kind === "whole" ? decodeWhole(body.bytes, layers, storeBytes) : undefined;
        if (whole) return acceptStoreBody(credentials, sender, request, whole);
        return slots.run(async () => {
          const bytes = await collect(decodeStream(piecesOf(body), layers, storeBytes));
          return acceptStoreBody(credentials, sender, request, bytes);
        });
      });
    },

    storeQuery: (request) =>
      asSender(request, async (credentials, sender) => {
        if (!sender) throw new ProtocolError("ET_AUTH_MISSING");
        // A plus sign of base64 that nobody escaped became a space.
        const data = request.query.get("sentry_data")?.replaceAll(" ", "+") ?? "";
        return acceptStoreBody(credentials, sender, request, Buffer.from(data));
      }),
  };
}

/** Items of an envelope that is there as a whole: `bytes`, which may have come as `gzip`. */
function* itemsOf(envelope: Envelope, bytes: Uint8Array, gzip: Uint8Array | undefined): Generator<IncomingItem> {
  for (const item of envelope.items) {
    const { payload } = item;
    // An item that is most of its envelope need not be compressed anew to be kept small.
    const isMost = gzip !== undefined && payload.length > bytes.length / 2;
    yield isMost ? { ...item, compressed: { gzip, offset: payload.byteOffset - bytes.byteOffset } } : item;
  }
  if (envelope.error) throw envelope.error;
}

async function* piecesOf(body: Body): AsyncGenerator<Uint8Array> {
  if (body.kind === "whole") yield body.bytes;
  else yield* body.pieces;
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  count: (piece: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    count(piece);
    yield piece;
  }
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const collected: Uint8Array[] = [];
  for await (const piece of pieces) collected.push(piece);
  return Buffer.concat(collected);
}

function isEnvelopeType(mediaType: string): boolean {
  return /^application\/x-sentry-envelope *(?:;|$)/i.test(mediaType);
}

/** The page or host that a browser names as the sender; nothing but web addresses counts. */
function originOf({ origin, referer }: IncomingHttpHeaders): string | undefined {
  for (const text of [origin, referer]) {
    if (!text || !/^https?:\/\//i.test(text)) continue;
    try {
      return new URL(text).origin.slice(0, 256);
    } catch {
      // Not an address after all.
    }
  }
  return undefined;
}

const reasons: Readonly<Record<string, "framing" | "too_large" | "aborted" | "json">> = {
  ET_BODY_EMPTY: "framing",
  ET_BODY_CORRUPT: "framing",
  ET_BODY_INCOMPLETE: "aborted",
  ET_BODY_TOO_LARGE: "too_large",
  ET_DSN_INVALID: "framing",
  ET_ENCODING_UNSUPPORTED: "framing",
  ET_ENVELOPE_MALFORMED: "framing",
};

/** How a request whose key was known is counted when it is refused as a whole. */
function refusalReason(error: unknown) {
  const code = errorCode(error) ?? "";
  if (code === "ET_BACKPRESSURE") return { outcome: "rate_limited", reason: "backpressure" } as const;
  if (code === "ET_DISK_FULL") return { outcome: "rate_limited", reason: "disk" } as const;
  const reason = Object.hasOwn(reasons, code) ? reasons[code] : undefined;
  return reason && ({ outcome: "invalid", reason } as const);
}
