import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { Session } from "chdb";

/** Faults that a test may order. Each `times` counts down with the statements it meets. */
export interface Misbehaviour {
  /** Waits so long before each statement. */
  readonly delayMs?: number;
  /** Answers with this exception and runs nothing. */
  readonly fail?: { readonly times: number; readonly code: number; readonly name: string };
  /** Closes the connection without an answer, before or after the statement was run. */
  readonly hangUp?: { readonly times: number; readonly when: "before" | "after" };
}

/** Parameters of a request that are no settings of the engine. */
const ownParameters = new Set([
  "query",
  "database",
  "default_format",
  "query_id",
  "session_id",
  "session_timeout",
  "user",
  "password",
  "role",
  "compress",
  "decompress",
  "wait_end_of_query",
  "buffer_size",
  "enable_http_compression",
  "send_progress_in_http_headers",
  "http_headers_progress_interval_ms",
]);

const statusOfCode: Readonly<Record<number, number>> = {
  60: 404, // UNKNOWN_TABLE
  62: 400, // SYNTAX_ERROR
  81: 404, // UNKNOWN_DATABASE
  164: 500, // READONLY
  497: 403, // ACCESS_DENIED
  516: 403, // AUTHENTICATION_FAILED
};

interface Request {
  readonly sql: string;
  /** What follows the statement: rows. */
  readonly data: string;
  readonly parameters: URLSearchParams;
}

const [directory = ".", port = "0", credentials] = process.argv.slice(2);
const path = join(directory, "data");
// The engine lives as long as one connection is open.
const anchor = new Session(path);
let misbehaviour: Misbehaviour = {};

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    if (!response.headersSent) sendException(response, error);
    else response.destroy();
  });
});
server.listen(Number(port), "127.0.0.1");

let stopping = false;
process.on("SIGTERM", () => {
  if (stopping) return;
  stopping = true;
  server.close(() => {
    anchor.close();
    process.exit(0);
  });
  server.closeIdleConnections();
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname === "/ping") {
    response.end("Ok.\n");
    return;
  }
  const body = await readBody(request);
  if (url.pathname === "/misbehave") {
    misbehaviour = JSON.parse(body.toString("utf8"));
    response.end();
    return;
  }
  refuseStrangers(request, url.searchParams);
  const { delayMs, fail, hangUp } = misbehaviour;
  if (delayMs) await new Promise((resolve) => setTimeout(resolve, delayMs));
  if (fail && fail.times > 0) {
    misbehaviour = { ...misbehaviour, fail: { ...fail, times: fail.times - 1 } };
    throw new Error(`Code: ${fail.code}. DB::Exception: Ordered by a test. (${fail.name})`);
  }
  const hangsUp = hangUp !== undefined && hangUp.times > 0;
  if (hangsUp) misbehaviour = { ...misbehaviour, hangUp: { ...hangUp, times: hangUp.times - 1 } };
  if (hangsUp && hangUp.when === "before") {
    response.destroy();
    return;
  }
  const statement = parseRequest(request, url, body);
  const result = await execute(statement);
  if (hangsUp) response.destroy();
  else sendResult(request, response, statement, result);
}

function refuseStrangers(request: IncomingMessage, parameters: URLSearchParams): void {
  if (credentials === undefined) return;
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  const given = [
    basic && Buffer.from(basic, "base64").toString("utf8"),
    `${request.headers["x-clickhouse-user"]}:${request.headers["x-clickhouse-key"]}`,
    `${parameters.get("user")}:${parameters.get("password")}`,
  ];
  if (!given.includes(credentials))
    throw new Error("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)");
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  return request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
}

function parseRequest(request: IncomingMessage, url: URL, body: Buffer): Request {
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(request.headers["content-type"] ?? "")?.[1];
  const parameters = new URLSearchParams(url.searchParams);
  let text = body.toString("utf8");
  if (boundary !== undefined) {
    for (const [name, value] of readParts(text, boundary)) parameters.set(name, value);
    text = "";
  }
  const sql = parameters.get("query");
  return sql === null ? { sql: text, data: "", parameters } : { sql, data: text, parameters };
}

function readParts(text: string, boundary: string): [string, string][] {
  return text
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const [head = "", ...rest] = part.replace(/^\r\n|\r\n$/g, "").split("\r\n\r\n");
      return [/name="([^"]*)"/.exec(head)?.[1] ?? "", rest.join("\r\n\r\n")];
    });
}

/** Each statement has a connection of its own, so that settings and parameters end with it as they do in a server. */
async function execute({ sql, data, parameters }: Request): Promise<Uint8Array> {
  const assignments = [...parameters]
    .filter(([name]) => !ownParameters.has(name))
    .map(([name, value]) => `${name} = ${literal(value)}`);
  const database = parameters.get("database") ?? "default";
  const prefix = [
    ...(database === "default" ? [] : [`USE \`${database.replaceAll("`", "")}\``]),
    ...(assignments.length === 0 ? [] : ["SET max_query_size = 67108864", `SET ${assignments.join(", ")}`]),
  ].map((statement) => `${statement}; `);
  const session = new Session(path);
  try {
    const result = await session.queryAsync(`${prefix.join("")}${sql}${data === "" ? "" : `\n${data}`}`, {
      format: parameters.get("default_format") ?? "TabSeparated",
    });
    return result.bytes();
  } finally {
    session.close();
  }
}

function literal(value: string): string {
  if (/^\d+$/.test(value)) return `'${value}'`;
  return `'${Buffer.from(value).toString("hex").replace(/../g, "\\x$&")}'`;
}

function sendResult(request: IncomingMessage, response: ServerResponse, statement: Request, result: Uint8Array): void {
  const { parameters } = statement;
  const compress =
    parameters.get("enable_http_compression") === "1" && /\bgzip\b/.test(String(request.headers["accept-encoding"]));
  response.setHeader("X-ClickHouse-Query-Id", parameters.get("query_id") ?? randomUUID());
  response.setHeader("X-ClickHouse-Timezone", "UTC");
  response.setHeader("X-ClickHouse-Format", parameters.get("default_format") ?? "TabSeparated");
  response.setHeader("X-ClickHouse-Summary", '{"read_rows":"0","written_rows":"0","result_rows":"0","elapsed_ns":"0"}');
  if (compress) response.setHeader("Content-Encoding", "gzip");
  response.end(compress ? gzipSync(result) : result);
}

function sendException(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const code = Number(/Code: (\d+)/.exec(message)?.[1] ?? 1001);
  response.statusCode = statusOfCode[code] ?? 500;
  response.setHeader("X-ClickHouse-Exception-Code", String(code));
  response.end(`${message}\n`);
}
