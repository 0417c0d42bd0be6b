import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { type Clock, errorCode, whenThere } from "@signalbox/kernel";
import {
  type Category,
  type Credentials,
  type EnvelopeHeader,
  ProtocolError,
  parseClientInfo,
  readCredentials,
} from "@signalbox/sentry-protocol";
import { type Acceptance, type Acceptor, type IngestRequest, sdkOf } from "../edge/accept.js";
import type { RecordOutcome } from "../edge/edge-outcomes.js";
import type { IncomingItem } from "../edge/gather-items.js";
import { concurrentStreams, type IngestLimits, waitingStreams, wholeBodyBytes } from "../edge/ingest-limits.js";
import type { KeyCache } from "../edge/key-cache.js";
import { backpressure } from "../edge/publish-event.js";
import type { SdkUsage } from "../edge/sdk-usage.js";
import type { Sender } from "../edge/sender.js";
import { matchesGlob } from "../glob.js";
import { type ContentCoding, decodeStream, decodeWhole, parseContentEncoding } from "./decode-body.js";
import { IngestError } from "./ingest-errors.js";
import { type Body, type BodyReader, createBodyReader } from "./read-body.js";
import { createStreamSlots, type StreamSlots } from "./stream-slots.js";

/** What is found out about a request on its way, for metrics and logs. */
export interface RequestAccount {
  keyId: number | undefined;
  /** Name of the SDK, where it says so itself. */
  client: string | undefined;
  /** The body as it was sent, as far as it was read. */
  sentBytes: number;
  /** The same after decompression. */
  decodedBytes: number;
}

/** A request as it reaches the edge. */
export interface EdgeRequest {
  readonly route: string;
  readonly account: RequestAccount;
  readonly raw: IncomingMessage;
  readonly headers: IncomingHttpHeaders;
  readonly mediaType: string;
  readonly query: URLSearchParams;
  /** Undefined where the path names none. */
  readonly project: number | undefined;
  /** Key in the path or in a query of another protocol. */
  readonly pathKey: string | undefined;
  /** The segment that is a monitor's slug, an event's id or a signal; decoded. */
  readonly argument: string | undefined;
  readonly receivedAtMs: number;
  readonly clientAddress: string | undefined;
  readonly correlationId: string | undefined;
}

export interface DoorDependencies {
  readonly keys: KeyCache;
  readonly acceptor: Acceptor;
  readonly limits: IngestLimits;
  readonly clock: Clock;
  readonly recordOutcome: RecordOutcome;
  /** True while the disk is too full to take anything. */
  readonly isDiskGuardActive: () => boolean;
  /** True while what was taken already waits too long for the event store. */
  readonly isLineTooLong: () => boolean;
  readonly maxBodyIdleMs: number;
  /** Takes what a request tells of its SDK. */
  readonly noteSdk?: SdkUsage["note"];
}

type Header = Pick<EnvelopeHeader, "eventId" | "sentAtMs" | "sdk">;

/** What all ingest routes share: who sends, how bodies are read, and how a refused request is counted. */
export interface Door {
  readonly bodies: BodyReader;
  readonly slots: StreamSlots;
  /** Whom a key stands for. @throws {IngestError} `ET_KEY_REFUSED` */
  authorise(key: string, project: number | undefined): Sender | Promise<Sender>;
  /** Runs `read` with the sender, if the request names one, and counts the request when it fails. */
  asSender<T>(
    request: EdgeRequest,
    read: (credentials: Credentials, known: Sender | undefined, onSender: (sender: Sender) => void) => Promise<T>,
  ): Promise<T>;
  /** The same for routes that have no other place for the key. @throws {ProtocolError} `ET_AUTH_MISSING` */
  asKnownSender<T>(request: EdgeRequest, read: (credentials: Credentials, sender: Sender) => Promise<T>): Promise<T>;
  accept(
    credentials: Credentials,
    sender: Sender,
    request: EdgeRequest,
    header: Header,
    items: Iterable<IncomingItem> | AsyncIterable<IncomingItem>,
  ): Promise<Acceptance>;
  /** The decoded body in one piece. @throws {ProtocolError} `ET_BODY_TOO_LARGE`, `ET_BODY_CORRUPT` */
  readWhole(request: EdgeRequest, maxBytes: number): Promise<Uint8Array>;
  /** Gives `read` the decoded body in pieces, of which no more than `maxBytes` come. */
  readPieces<T>(
    request: EdgeRequest,
    maxBytes: number,
    read: (pieces: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T>;
}

/** A header of no envelope. */
export const noHeader: Header = { eventId: undefined, sentAtMs: undefined, sdk: undefined };

/** Slower bodies than this are taken for an attempt to hold connections. */
const minBytesPerSecond = 256;

export function createDoor(dependencies: DoorDependencies): Door {
  const {
    keys,
    acceptor,
    limits,
    clock,
    recordOutcome,
    isDiskGuardActive,
    isLineTooLong,
    noteSdk = () => {},
  } = dependencies;
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

  /** All reasons look the same from outside, so that nobody learns which keys or projects exist. */
  const authorise: Door["authorise"] = (key, project) =>
    whenThere(keys.find(key), (entry) => {
      if (!entry || (project !== undefined && project !== entry.projectId)) throw new IngestError("ET_KEY_REFUSED");
      return entry;
    });

  const asSender: Door["asSender"] = async (request, read) => {
    const credentials = readCredentials(request.headers, request.query, request.pathKey);
    const { account } = request;
    account.client = credentials.client?.name;
    const found = credentials.key === undefined ? undefined : authorise(credentials.key, request.project);
    let sender = found instanceof Promise ? await found : found;
    account.keyId = sender?.keyId;
    try {
      if (isDiskGuardActive()) throw backpressure(undefined, "ET_DISK_FULL");
      // Before the body is read: what is refused should cost next to nothing.
      if (isLineTooLong()) throw backpressure();
      return await read(credentials, sender, (found) => {
        sender = found;
        account.keyId = found.keyId;
      });
    } catch (error) {
      const reason = refusalReason(error);
      if (sender && reason) {
        if (reason.outcome === "invalid")
          noteSdk({
            projectId: sender.projectId,
            sdk: credentials.client ?? parseClientInfo(request.headers["user-agent"]),
            errorCode: errorCode(error),
          });
        recordOutcome({
          projectId: sender.projectId,
          keyId: sender.keyId,
          category: categories[request.route] ?? "default",
          itemType: "request",
          quantity: 1,
          ...reason,
        });
      }
      throw error;
    }
  };

  return {
    bodies,
    slots,
    authorise,
    asSender,

    asKnownSender: (request, read) =>
      asSender(request, async (credentials, sender) => {
        if (!sender) throw new ProtocolError("ET_AUTH_MISSING");
        return read(credentials, sender);
      }),

    async accept({ client }, sender, request, header, items) {
      const origin = originOf(request.headers);
      if (!isAllowed(origin, sender)) throw new IngestError("ET_ORIGIN_REFUSED");
      const details: IngestRequest = {
        ...sender,
        route: request.route,
        receivedAtMs: request.receivedAtMs,
        client,
        clientAddress: request.clientAddress,
        origin,
        userAgent: request.headers["user-agent"]?.slice(0, 512),
        correlationId: request.correlationId,
      };
      const acceptance = await acceptor.accept({ ...header, items }, details);
      keys.markUsed(sender.keyId);
      const { problem, notStored } = acceptance;
      // What is refused because there is too much of it is nothing that the SDK did wrong.
      const code = problem === undefined || problem.retryable ? undefined : problem.code;
      noteSdk({ projectId: sender.projectId, sdk: sdkOf(header.sdk) ?? client, notStored, errorCode: code });
      return acceptance;
    },

    async readWhole(request, maxBytes) {
      const layers = parseContentEncoding(request.headers["content-encoding"]);
      const body = await bodies.read(request.raw, request.account);
      const whole = body.kind === "whole" ? decodeWhole(body.bytes, layers, maxBytes) : undefined;
      if (whole) {
        request.account.decodedBytes += whole.length;
        return whole;
      }
      return slots.run(async () => {
        const pieces: Uint8Array[] = [];
        for await (const piece of decoded(body, layers, maxBytes, request)) pieces.push(piece);
        return Buffer.concat(pieces);
      });
    },

    async readPieces(request, maxBytes, read) {
      const layers = parseContentEncoding(request.headers["content-encoding"]);
      const body = await bodies.read(request.raw, request.account);
      return slots.run(() => read(decoded(body, layers, maxBytes, request)));
    },
  };
}

/** The body without its encodings, piece by piece, added to the request's account. */
export async function* decoded(
  body: Body,
  layers: readonly ContentCoding[],
  maxBytes: number,
  { account }: Pick<EdgeRequest, "account">,
): AsyncGenerator<Uint8Array> {
  for await (const piece of decodeStream(piecesOf(body), layers, maxBytes)) {
    account.decodedBytes += piece.length;
    yield piece;
  }
}

async function* piecesOf(body: Body): AsyncGenerator<Uint8Array> {
  if (body.kind === "whole") yield body.bytes;
  else yield* body.pieces;
}

/** What a request is counted as that is refused before its items are known. */
const categories: Readonly<Record<string, Category>> = {
  store: "error",
  airbrake: "error",
  minidump: "error",
  unreal: "error",
  security: "security",
  nel: "security",
  cron: "monitor",
  attachments: "attachment",
  user_feedback: "feedback",
  error_page: "feedback",
};

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

/** Programs that are no pages name no origin, and may always send. */
function isAllowed(origin: string | undefined, { allowedOrigins }: Sender): boolean {
  if (origin === undefined || allowedOrigins.length === 0) return true;
  return allowedOrigins.some((glob) => matchesGlob(origin, glob));
}

const reasons: Readonly<Record<string, "framing" | "too_large" | "aborted" | "json">> = {
  ET_BODY_EMPTY: "framing",
  ET_BODY_CORRUPT: "framing",
  ET_BODY_INCOMPLETE: "aborted",
  ET_BODY_TOO_LARGE: "too_large",
  ET_DSN_INVALID: "framing",
  ET_ENCODING_UNSUPPORTED: "framing",
  ET_ENVELOPE_MALFORMED: "framing",
  ET_MEDIA_TYPE_UNSUPPORTED: "framing",
  ET_MINIDUMP_INVALID: "framing",
  ET_MULTIPART_INVALID: "framing",
  ET_JSON_INVALID: "json",
  ET_REPORT_INVALID: "json",
};

/** How a request whose key was known is counted when it is refused as a whole. */
function refusalReason(error: unknown) {
  const code = errorCode(error) ?? "";
  if (code === "ET_BACKPRESSURE") return { outcome: "rate_limited", reason: "backpressure" } as const;
  if (code === "ET_ORIGIN_REFUSED") return { outcome: "filtered", reason: "origin" } as const;
  if (code === "ET_DISK_FULL") return { outcome: "rate_limited", reason: "disk" } as const;
  const reason = Object.hasOwn(reasons, code) ? reasons[code] : undefined;
  return reason && ({ outcome: "invalid", reason } as const);
}
