import { whenThere } from "@signalbox/kernel";
import {
  type Credentials,
  type Dsn,
  type Envelope,
  type EnvelopeItem,
  type EnvelopeLimits,
  parseEnvelope,
  readEnvelope,
  readStoreBody,
  resolveClaim,
} from "@signalbox/sentry-protocol";
import type { Acceptance } from "../edge/accept.js";
import type { IncomingItem } from "../edge/gather-items.js";
import { envelopeHeaderBytes, type IngestLimits, wholeEnvelopeBytes } from "../edge/ingest-limits.js";
import type { Sender } from "../edge/sender.js";
import { decodeWhole, parseContentEncoding } from "./decode-body.js";
import { type Door, decoded, type EdgeRequest, noHeader } from "./door.js";

export interface ReceiverDependencies {
  readonly door: Door;
  readonly limits: IngestLimits;
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

export function createReceiver({ door, limits }: ReceiverDependencies): Receiver {
  const { accept, asKnownSender, asSender, bodies, slots } = door;
  const envelopeLimits: EnvelopeLimits = { maxHeaderBytes: envelopeHeaderBytes, maxItems: limits.itemsPerEnvelope };
  /** Base64 of the largest event, with room for line breaks. */
  const storeBytes = Math.ceil(limits.eventBytes * 1.5) + 1024;

  const envelope = (request: EdgeRequest): Promise<Acceptance> =>
    asSender(request, async (credentials, known, onSender) => {
      /** The key's sender, after what the envelope itself says about it was heard. */
      const confirm = (dsn: Dsn | undefined): Sender | Promise<Sender> => {
        const claim = resolveClaim(credentials.key, known?.projectId ?? request.project, dsn);
        return whenThere(known ?? door.authorise(claim.key, claim.project), (sender) => {
          onSender(sender);
          return sender;
        });
      };
      const layers = parseContentEncoding(request.headers["content-encoding"]);
      const body = await bodies.read(request.raw, request.account);
      const bytes =
        body.kind === "whole"
          ? decodeWhole(body.bytes, layers, Math.min(wholeEnvelopeBytes, limits.envelopeBytes))
          : undefined;
      if (bytes) {
        request.account.decodedBytes += bytes.length;
        const whole = parseEnvelope(bytes, envelopeLimits);
        const gzip = body.kind === "whole" && layers.length === 1 && layers[0] === "gzip" ? body.bytes : undefined;
        const items = itemsOf(whole, bytes, gzip);
        const sender = confirm(whole.header.dsn);
        return accept(credentials, sender instanceof Promise ? await sender : sender, request, whole.header, items);
      }
      return slots.run(async () => {
        const pieces = decoded(body, layers, limits.envelopeBytes, request);
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
    return accept(credentials, sender, request, noHeader, [item]);
  };

  return {
    envelope,

    store: (request) => {
      if (isEnvelopeType(request.mediaType)) return envelope(request);
      return asKnownSender(request, async (credentials, sender) => {
        const layers = parseContentEncoding(request.headers["content-encoding"]);
        const body = await bodies.read(request.raw, request.account);
        const whole = body.kind === "whole" ? decodeWhole(body.bytes, layers, storeBytes) : undefined;
        if (whole) {
          request.account.decodedBytes += whole.length;
          return acceptStoreBody(credentials, sender, request, whole);
        }
        return slots.run(async () => {
          const bytes = await collect(decoded(body, layers, storeBytes, request));
          return acceptStoreBody(credentials, sender, request, bytes);
        });
      });
    },

    storeQuery: (request) =>
      asKnownSender(request, async (credentials, sender) => {
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
    yield isMost ? withCompressed(item, { gzip, offset: payload.byteOffset - bytes.byteOffset }) : item;
  }
  if (envelope.error) throw envelope.error;
}

/** Not a copy of its fields: attributes are read when somebody asks for them. */
function withCompressed(item: EnvelopeItem, compressed: IncomingItem["compressed"]): IncomingItem {
  const { type, length, payload } = item;
  return {
    type,
    length,
    payload,
    compressed,
    get attributes() {
      return item.attributes;
    },
  };
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const collected: Uint8Array[] = [];
  for await (const piece of pieces) collected.push(piece);
  return Buffer.concat(collected);
}

function isEnvelopeType(mediaType: string): boolean {
  return /^application\/x-sentry-envelope *(?:;|$)/i.test(mediaType);
}
