import { HttpProblem } from "@signalbox/http";
import type { FastifyRequest } from "fastify";

/**
 * No text of the API holds U+0000, which neither database keeps. Told before anything is done, as a fault of the request.
 * @throws {HttpProblem} `invalid_parameter`
 */
export async function refuseNul({ query, params, body }: FastifyRequest): Promise<void> {
  for (const [prefix, value] of [
    ["/query", query],
    ["/params", params],
    ["", body],
  ] as const) {
    const pointer = pointerToNul(value, prefix);
    if (pointer === undefined) continue;
    const message = "must not hold the character U+0000";
    throw new HttpProblem("invalid_parameter", { errors: [{ pointer, code: "pattern", message }] });
  }
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
