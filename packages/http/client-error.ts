import { ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { type Counter, errorCode, ulid } from "@signalbox/kernel";
import { HttpProblem, problemDocument } from "./problems.js";

/** How long a client may take to read why its connection is closed. */
const lingerMs = 1000;

/**
 * Answers what never became a request: bytes that are not HTTP, headers beyond the limit, a request that did not
 * arrive in time. The connection is closed, since nothing after the fault can be trusted.
 */
export function answerClientError(error: unknown, socket: Socket, refused: Counter): void {
  const code = errorCode(error) ?? "";
  const before = answerUnderWay(socket);
  if (before?.req.complete && socket.writable) {
    // The fault is in what came after a request that is whole: its answer goes first, and those that wait for it.
    if (waiting.has(before)) return;
    waiting.add(before);
    const again = (): void => void setImmediate(() => answerClientError(error, socket, refused));
    if (before.writableFinished) again();
    else before.once("finish", again);
    return;
  }
  if (code === "ECONNRESET" || socket.destroyed || !socket.writable || before?.headersSent) {
    // More bytes after the first fault come here again while the answer is read.
    if (!socket.writableEnded) socket.destroy();
    return;
  }
  const problem = problemOf(code);
  refused.add(1, { reason: problem.code });
  const correlationId = ulid();
  const body = JSON.stringify(problemDocument(problem, "/", correlationId));
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ""}`,
      "content-type: application/problem+json; charset=utf-8",
      `content-length: ${Buffer.byteLength(body)}`,
      `x-correlation-id: ${correlationId}`,
      "connection: close",
      "",
      body,
    ].join("\r\n"),
  );
  setTimeout(() => socket.destroy(), lingerMs).unref();
}

/** Reasons under which refused connections are counted. */
export const clientErrorReasons = ["malformed_request", "headers_too_large", "request_timeout"] as const;

function problemOf(code: string): HttpProblem {
  if (code === "HPE_HEADER_OVERFLOW") return new HttpProblem("headers_too_large");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new HttpProblem("request_timeout");
  return new HttpProblem("malformed_request");
}

/** Answers after which a fault is answered. */
const waiting = new WeakSet<ServerResponse>();

/** Once bytes of it are out, another status line would be read as its content. */
function answerUnderWay(socket: Socket): ServerResponse | undefined {
  const current: unknown = "_httpMessage" in socket ? socket._httpMessage : undefined;
  return current instanceof ServerResponse ? current : undefined;
}
