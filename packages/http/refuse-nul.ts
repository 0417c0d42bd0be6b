import type { FastifyRequest } from "fastify";
import { HttpProblem } from "./problems.js";

// No store keeps U+0000 in a text, so nothing of a request may hold it: told before anything is done, as a fault of the
// request.

/** @throws {HttpProblem} `invalid_parameter` for U+0000 in the query or in a part of the path */
export function refuseNulInAddress({ url, query, params }: FastifyRequest): void {
  if (!url.includes("%00")) return;
  refuseNul(query, "/query");
  refuseNul(params, "/params");
}

/** A hook for APIs whose bodies are JSON. @throws {HttpProblem} `invalid_parameter` for U+0000 in the body */
export async function refuseNulInBody({ body }: FastifyRequest): Promise<void> {
  refuseNul(body, "");
}

function refuseNul(value: unknown, prefix: string): void {
  const pointer = pointerToNul(value, prefix);
  if (pointer === undefined) return;
  const message = "must not hold the character U+0000";
  throw new HttpProblem("invalid_parameter", { errors: [{ pointer, code: "pattern", message }] });
}

/** Where the first such text is, also the name of a property. */
function pointerToNul(value: unknown, at: string): string | undefined {
  if (typeof value === "string") return value.includes("\0") ? at : undefined;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (key.includes("\0")) return at;
    const found = pointerToNul(inner, `${at}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
