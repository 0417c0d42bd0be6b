import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { gunzipSync } from "node:zlib";
import type { CheckpointPayload } from "@signalbox/experience/payload";

/** One request as it arrived. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly checkpoints: readonly CheckpointPayload[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpTracker {
  readonly url: string;
  readonly requests: ReceivedRequest[];
  /** Checkpoints of accepted requests, repetitions included. */
  readonly accepted: CheckpointPayload[];
  answer: (request: ReceivedRequest) => HttpAnswer;
  /** Closes port and connections; what was received stays. */
  down(): Promise<void>;
  /** Listens again on the same port. */
  up(): Promise<void>;
}

/** A tracker over real HTTP that answers as it is told. */
export async function startHttpTracker(): Promise<HttpTracker> {
  let server: Server | undefined;
  let port = 0;
  const tracker: HttpTracker = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    requests: [],
    accepted: [],
    answer: () => ({ status: 200, body: "{}", headers: { "content-type": "application/json" } }),
    async down() {
      const closing = server;
      server = undefined;
      await new Promise<void>((resolve) => {
        if (!closing) return resolve();
        closing.close(() => resolve());
        closing.closeAllConnections();
      });
    },
    async up() {
      const starting = createServer((incoming, outgoing) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => void chunks.push(chunk));
        incoming.on("end", () => {
          const request = toRequest(incoming.method ?? "", incoming.url ?? "", incoming.headers, Buffer.concat(chunks));
          tracker.requests.push(request);
          const { status, headers = {}, body = "" } = tracker.answer(request);
          if (status < 300) tracker.accepted.push(...request.checkpoints);
          outgoing.writeHead(status, headers).end(body);
        });
      });
      await new Promise<void>((resolve) => void starting.listen(port, "127.0.0.1", resolve));
      const address = starting.address();
      if (typeof address === "object" && address) port = address.port;
      server = starting;
    },
  };
  await tracker.up();
  return tracker;
}

function toRequest(method: string, path: string, headers: IncomingHttpHeaders, body: Buffer): ReceivedRequest {
  const text = (headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString("utf8");
  const parsed: { checkpoints?: CheckpointPayload[] } = text === "" ? {} : JSON.parse(text);
  return { method, path, headers, body, checkpoints: parsed.checkpoints ?? [] };
}
