import type { FastifyRequest } from "fastify";
import { HttpProblem } from "./problems.js";

// No store keeps U+0000 in a text, nor half of a surrogate pair, which is no character at all: some refuse it, others put
// U+FFFD in its place. So nothing of a request may hold them: told before anything is done, as a fault of the request.

/** @throws {HttpProblem} `invalid_parameter` for U+0000 in the query or in a part of the path */
export function refuseNulInAddress({ url, query, params }: FastifyRequest): void {
  if (!url.includes("%00")) return;
  refuseNul(query, "/query");
  refuseNul(params, "/params");
}

/** A hook for APIs whose bodies are JSON. @throws {HttpProblem} `invalid_parameter` for such a text in the body */
export async function refuseNulInBody({ body }: FastifyRequest): Promise<void> {
  refuseNul(body, "");
}

function refuseNul(value: unknown, prefix: string): void {
  const found = findUnstorable(value, prefix);
  if (found) throw new HttpProblem("invalid_parameter", { errors: [{ ...found, code: "pattern" }] });
}

/** Where the first such text is, also the name of a property. */
function findUnstorable(value: unknown, pointer: string): { pointer: string; message: string } | undefined {
  if (typeof value === "string") {
    const message = faultOf(value);
    return message === undefined ? undefined : { pointer, message };
  }
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const message = faultOf(key);
    if (message !== undefined) return { pointer, message };
    const found = findUnstorable(inner, `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** With the flag `u` a pair is one character, so only halves match. */
const loneSurrogate = /\p{Surrogate}/u;

function faultOf(text: string): string | undefined {
  if (text.includes("\0")) return "must not hold the character U+0000";
  return loneSurrogate.test(text) ? "must not hold half of a surrogate pair" : undefined;
}
