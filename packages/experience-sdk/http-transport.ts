import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { BatchAnswer, BatchRequest, CheckpointTransport } from "./transport.js";
import { version } from "./version.js";

const gzipped = promisify(gzip);

const smallestGzippedBytes = 1_024;
const mostAnswerBytes = 1_048_576;

/** Posts batches to the tracker. Redirects are not followed, since they could take the token elsewhere. */
export function createHttpTransport(baseUrl: string): CheckpointTransport {
  const url = `${baseUrl}/checkpoints/batch`;
  // Node loads the code behind `fetch` when it is first touched, which takes tens of milliseconds: better now, while the
  // application starts, than in the middle of its work.
  new Headers();
  return {
    async send(request) {
      const text = `{"checkpoints":[${request.checkpoints.join(",")}]}`;
      const { body, headers } = await encodeBody(text);
      const answer = await fetch(url, {
        method: "POST",
        headers: { ...headers, ...requestHeaders(request) },
        body,
        redirect: "manual",
        signal: request.signal,
      });
      return readAnswer(answer);
    },
  };
}

async function encodeBody(text: string) {
  const headers = { "content-type": "application/json" };
  if (Buffer.byteLength(text) < smallestGzippedBytes) return { body: text, headers };
  return { body: new Uint8Array(await gzipped(text)), headers: { ...headers, "content-encoding": "gzip" } };
}

function requestHeaders({ token, dropped }: BatchRequest): Record<string, string> {
  return {
    "user-agent": `experience-sdk/${version}`,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(dropped === undefined ? {} : { "x-experience-dropped": dropped }),
  };
}

async function readAnswer(answer: Response): Promise<BatchAnswer> {
  const retryAfter = answer.headers.get("retry-after") ?? undefined;
  return { status: answer.status, retryAfter, body: await readJson(answer) };
}

/** Absent when the answer is longer than is read, cut off, or not JSON: its status has been said already. */
export async function readJson(answer: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > mostAnswerBytes) return undefined;
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    return undefined;
  }
}
