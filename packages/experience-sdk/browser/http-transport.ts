import type { BatchRequest, CheckpointTransport } from "../transport.js";

/** The most of one body, and of all bodies on their way: 64 KiB is what the page's scripts have together. */
const mostKeptAliveBytes = 60_000;
const smallestGzippedBytes = 1_024;

/** On their way. One count for all clients of the page. */
let keptAliveBytes = 0;

/**
 * Posts batches to the tracker by requests that outlive the page, as far as the browser lets it have such. Redirects are
 * not followed, since they could take the token elsewhere, and no cookies go along.
 */
export function createPageTransport(baseUrl: string, isHidden: () => boolean): CheckpointTransport {
  /** Whether the last such request failed: other scripts may have used up what there is. */
  let avoid = false;

  return {
    async send(request) {
      const text = new TextEncoder().encode(`{"checkpoints":[${request.checkpoints.join(",")}]}`);
      // Compressing takes a turn of the event loop, and a hidden page may not get another one.
      const gzipped = text.length < smallestGzippedBytes || isHidden() ? undefined : await gzip(text);
      const body = gzipped ?? text;
      const keepalive = keptAliveBytes + body.length <= mostKeptAliveBytes && (isHidden() || !avoid);
      const bytes = keepalive ? body.length : 0;
      keptAliveBytes += bytes;
      try {
        const answer = await fetch(`${baseUrl}/checkpoints/batch`, {
          method: "POST",
          headers: headersOf(request, gzipped !== undefined),
          body,
          keepalive,
          redirect: "manual",
          credentials: "omit",
          signal: request.signal,
        });
        avoid = false;
        const retryAfter = answer.headers.get("retry-after") ?? undefined;
        return { status: answer.status, retryAfter, body: await readJson(answer) };
      } catch (error) {
        avoid = keepalive;
        throw error;
      } finally {
        keptAliveBytes -= bytes;
      }
    },
  };
}

function headersOf({ token, dropped }: BatchRequest, gzipped: boolean): Record<string, string> {
  return {
    "content-type": "application/json",
    ...(gzipped && { "content-encoding": "gzip" }),
    ...(token && { authorization: `Bearer ${token}` }),
    ...(dropped && { "x-experience-dropped": dropped }),
  };
}

/** Absent where the browser cannot. */
async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (typeof CompressionStream === "undefined") return undefined;
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Absent when the answer is cut off or not JSON: its status has been said already. What takes too long is cut off. */
async function readJson(answer: Response): Promise<unknown> {
  try {
    return await answer.json();
  } catch {
    return undefined;
  }
}
