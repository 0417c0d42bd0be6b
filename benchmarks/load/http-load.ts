import { connect, type Socket } from "node:net";
import { percentile } from "../harness.js";

export interface HttpLoadOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Bodies are sent in turn. */
  readonly bodies: readonly Uint8Array[];
  readonly connections: number;
  readonly requests: number;
  /** Upper bound of requests started per second over all connections; absent: as fast as answers come. */
  readonly ratePerSecond?: number;
}

export interface HttpLoadResult {
  readonly seconds: number;
  readonly perSecond: number;
  /** Number of answers by status; connection failures count as 0. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
}

/**
 * Sends prepared requests over keep-alive connections, one at a time on each. It writes to plain sockets and reads
 * only the status and the content length, so that on a small machine the generator takes little from the server.
 */
export async function runHttpLoad(options: HttpLoadOptions): Promise<HttpLoadResult> {
  const requests = options.bodies.map((body) => requestBytes(options, body));
  const statuses: Record<number, number> = {};
  const latenciesMs: number[] = [];
  const startedMs = performance.now();
  let next = 0;

  const waitForTurn = async (index: number): Promise<void> => {
    if (!options.ratePerSecond) return;
    const dueMs = startedMs + (index / options.ratePerSecond) * 1000;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  };

  const worker = async (): Promise<void> => {
    let connection = await openConnection(options);
    for (let index = next++; index < options.requests; index = next++) {
      await waitForTurn(index);
      const sentMs = performance.now();
      let status: number;
      try {
        status = await connection.exchange(requests[index % requests.length] ?? new Uint8Array());
      } catch {
        status = 0;
        connection = await openConnection(options);
      }
      latenciesMs.push(performance.now() - sentMs);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
    connection.close();
  };

  await Promise.all(Array.from({ length: options.connections }, worker));
  const seconds = (performance.now() - startedMs) / 1000;
  return {
    seconds,
    perSecond: options.requests / seconds,
    statuses,
    latencyMs: {
      p50: percentile(latenciesMs, 0.5),
      p95: percentile(latenciesMs, 0.95),
      p99: percentile(latenciesMs, 0.99),
    },
  };
}

function requestBytes(options: HttpLoadOptions, body: Uint8Array): Uint8Array {
  const lines = [
    `POST ${options.path} HTTP/1.1`,
    `Host: ${options.host}:${options.port}`,
    ...Object.entries(options.headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${body.byteLength}`,
    "",
    "",
  ];
  return Buffer.concat([Buffer.from(lines.join("\r\n"), "latin1"), body]);
}

interface Connection {
  /** Sends one request and resolves with the status of its answer. */
  exchange(request: Uint8Array): Promise<number>;
  close(): void;
}

function openConnection({ host, port }: { readonly host: string; readonly port: number }): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host, port, noDelay: true });
    let received = "";
    let answer: { resolve(status: number): void; reject(error: Error): void } | undefined;

    const fail = (error: Error): void => {
      answer?.reject(error);
      answer = undefined;
      reject(error);
    };
    socket.setEncoding("latin1");
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("connection closed")));
    socket.on("data", (chunk: string) => {
      received += chunk;
      const headEnd = received.indexOf("\r\n\r\n");
      if (headEnd < 0) return;
      const length = /\r\ncontent-length: *(\d+)/i.exec(received.slice(0, headEnd + 2))?.[1];
      if (length === undefined) return fail(new Error("answer without content length"));
      const end = headEnd + 4 + Number(length);
      if (received.length < end) return;
      const status = Number(received.slice(9, 12));
      received = received.slice(end);
      answer?.resolve(status);
      answer = undefined;
    });
    socket.on("connect", () =>
      resolve({
        exchange: (request) =>
          new Promise((resolveAnswer, rejectAnswer) => {
            answer = { resolve: resolveAnswer, reject: rejectAnswer };
            if (socket.destroyed) fail(new Error("connection closed"));
            else socket.write(request);
          }),
        close: () => socket.destroy(),
      }),
    );
  });
}
