import type { ClientRequest, IncomingMessage } from "node:http";
import { rootCertificates } from "node:tls";
import { type Clock, type EgressGuard, errorCode, errorMessage, KernelError, type Timer } from "@signalbox/kernel";
import { type RawData, WebSocket } from "ws";
import {
  PeerConnectError,
  type PeerFailure,
  type PeerFailureKind,
  type PeerSocket,
  type PeerSocketEvents,
  type PeerUrl,
  type SocketFactory,
} from "../sync/ports.js";
import { isCertificateCode } from "./naughty.js";

export interface SocketFactoryOptions {
  /** Decides where we may go, and pins the address that it checked. */
  readonly guard: EgressGuard;
  readonly clock: Clock;
  /** How we name ourselves in the handshake. */
  readonly userAgent?: string;
  /** PEM certificates that are trusted in addition to Node's own, for private authorities. */
  readonly certificateAuthorities?: readonly string[];
  /** Largest message of a peer, inflated. Default 2 MiB. */
  readonly maxMessageBytes?: number;
}

/** A connection that nothing is heard from is asked for a sign of life this often, and has so long for it. */
const pingEveryMs = 55_000;
const pongWithinMs = 30_000;
/** How long a peer may take to answer our close. */
const closeWithinMs = 2_000;
/** What may wait to be sent to a peer that does not read. */
const maxQueuedBytes = 32 * 1024 * 1024;

/**
 * Real WebSocket connections. The name is resolved once for each connection, every address of it is checked, and the
 * connection goes to a checked address. Redirects are not followed.
 */
export function createSocketFactory(options: SocketFactoryOptions): SocketFactory {
  return {
    async open(url, events, { timeoutMs, signal }) {
      const handshake = new AbortController();
      const giveUp = (failure: PeerFailure): void => handshake.abort(new PeerConnectError(failure));
      const timer = options.clock.setTimer(timeoutMs, () => giveUp(timedOut));
      const onAbort = (): void => giveUp(abandoned);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      try {
        return await openSocket(url, events, options, handshake.signal);
      } finally {
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
      }
    },
  };
}

const timedOut: PeerFailure = { kind: "timeout", code: "ETIMEDOUT", message: "the peer did not answer in time" };
const abandoned: PeerFailure = { kind: "lost", code: "ABORT_ERR", message: "the attempt was given up" };

async function openSocket(
  url: PeerUrl,
  events: PeerSocketEvents,
  { guard, clock, userAgent, certificateAuthorities = [], maxMessageBytes = 2 * 1024 * 1024 }: SocketFactoryOptions,
  handshake: AbortSignal,
): Promise<PeerSocket> {
  const checked = await orAborted(guard.check(url, { protocols: ["ws", "wss"] }), handshake).catch((error: unknown) => {
    throw asConnectError(error);
  });
  const websocket = new WebSocket(url, {
    lookup: checked.lookup,
    followRedirects: false,
    maxPayload: maxMessageBytes,
    perMessageDeflate: { clientNoContextTakeover: true, serverNoContextTakeover: true, threshold: 1_024 },
    ...(userAgent !== undefined && { headers: { "user-agent": userAgent } }),
    ...(certificateAuthorities.length > 0 && { ca: [...rootCertificates, ...certificateAuthorities] }),
  });
  try {
    await orAborted(opened(websocket), handshake);
  } catch (error) {
    // Closing an unfinished handshake reports an error of its own, which nobody needs.
    websocket.on("error", () => {});
    websocket.terminate();
    throw asConnectError(error);
  }
  return serve(websocket, events, clock);
}

function opened(websocket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    websocket.once("open", () => {
      // Nothing may arrive before the caller holds the socket.
      websocket.pause();
      resolve();
    });
    websocket.once("error", reject);
    websocket.once("unexpected-response", (_request: ClientRequest, { statusCode = 0 }: IncomingMessage) => {
      const message = `the peer answered with status ${statusCode} in place of a WebSocket`;
      reject(new PeerConnectError({ kind: "protocol", code: `HTTP_${statusCode}`, message }));
    });
  });
}

function serve(websocket: WebSocket, events: PeerSocketEvents, clock: Clock): PeerSocket {
  let failure: PeerFailure | undefined;
  let closedByUs = false;
  let isOver = false;
  let isPaused = false;
  let heardMs = clock.monotonicMs();
  let timer: Timer | undefined;

  const lose = (why: PeerFailure): void => {
    failure ??= why;
    websocket.terminate();
  };
  const hear = (): void => {
    heardMs = clock.monotonicMs();
  };
  /** Something that is still being sent to us is a sign of life, too. */
  const watch = (): void => {
    // While we do not read, we could not see any.
    if (websocket.isPaused) hear();
    const quietMs = clock.monotonicMs() - heardMs;
    if (quietMs < pingEveryMs) {
      timer = clock.setTimer(pingEveryMs - quietMs, watch);
      return;
    }
    const pingedMs = clock.monotonicMs();
    websocket.ping();
    timer = clock.setTimer(pongWithinMs, () => (heardMs >= pingedMs || websocket.isPaused ? watch() : lose(silent)));
  };

  websocket.on("message", (data: RawData, isBinary: boolean) => {
    hear();
    if (!isBinary && !closedByUs) events.onMessage(String(data));
  });
  websocket.on("pong", hear);
  websocket.on("error", (error) => {
    failure ??= describeEnd(error);
  });
  websocket.on("close", (code, reason) => {
    isOver = true;
    timer?.cancel();
    events.onClose(closedByUs ? null : (failure ?? ended(code, String(reason))));
  });
  watch();
  setImmediate(() => {
    if (!isPaused) websocket.resume();
  });

  return {
    send(text) {
      if (websocket.readyState !== WebSocket.OPEN) return;
      // What goes wrong with it shows as the end of the connection.
      websocket.send(text, () => {});
      if (websocket.bufferedAmount > maxQueuedBytes) lose(notReading);
    },
    close(code = 1000, reason = "") {
      if (isOver || closedByUs) return;
      closedByUs = true;
      websocket.resume();
      websocket.close(code, reason);
      timer?.cancel();
      timer = clock.setTimer(closeWithinMs, () => websocket.terminate());
    },
    pause() {
      isPaused = true;
      websocket.pause();
    },
    resume() {
      isPaused = false;
      websocket.resume();
    },
  };
}

const silent: PeerFailure = { kind: "lost", code: "ETIMEDOUT", message: "the peer gave no sign of life" };
const notReading: PeerFailure = {
  kind: "lost",
  code: "WS_NOT_READING",
  message: "the peer does not read what we send",
};

function ended(code: number, reason: string): PeerFailure {
  const said = reason.replaceAll(/\p{Cc}+/gu, " ").trim();
  return {
    kind: "lost",
    code: `WS_${code}`,
    message: `the connection ended with code ${code}${said === "" ? "" : `: ${said}`}`,
  };
}

/** A message that is too large breaks our rules, not those of the protocol. */
const tooLarge: PeerFailure = {
  kind: "lost",
  code: "RELAY_TOO_LARGE",
  message: "a message of the peer is larger than is taken",
};

/** Why an open connection broke. */
function describeEnd(error: Error): PeerFailure {
  const code = errorCode(error) ?? "WS_ERROR";
  if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return tooLarge;
  return { kind: code.startsWith("WS_ERR_") ? "protocol" : "lost", code, message: errorMessage(error) };
}

/** Settles like the promise, or rejects with the signal's reason when that comes first. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function asConnectError(error: unknown): PeerConnectError {
  return error instanceof PeerConnectError ? error : new PeerConnectError(describeFailure(error), { cause: error });
}

/** Why a connection was not made, by the code of what was thrown. */
function describeFailure(error: unknown): PeerFailure {
  if (error instanceof KernelError) return describeRefusal(error);
  const code = errorCode(error);
  // Without a code, the WebSocket client complains about the answer itself, such as a wrong accept key.
  if (code === undefined) return { kind: "protocol", code: "WS_HANDSHAKE", message: errorMessage(error) };
  return { kind: kindOf(code), code, message: errorMessage(error) };
}

function describeRefusal(error: KernelError): PeerFailure {
  if (error.code !== "EGRESS_UNRESOLVED")
    return {
      kind: "target_not_allowed",
      code: error.code,
      message: `the address may not be called: ${String(error.details.reason)}`,
    };
  const code = errorCode(error.cause) ?? error.code;
  return { kind: "dns", code, message: `the name cannot be resolved (${code})` };
}

function kindOf(code: string): PeerFailureKind {
  if (code === "ETIMEDOUT") return "timeout";
  if (isCertificateCode(code) || code === "EPROTO" || /^ERR_(SSL|TLS)_/.test(code)) return "tls";
  if (code.startsWith("HPE_") || code.startsWith("WS_ERR_")) return "protocol";
  return "refused";
}
