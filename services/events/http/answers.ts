import { encodeCursor, linkHeader } from "@signalbox/http";
import type { FastifyReply, FastifyRequest } from "fastify";

/** A success answer with its example, as the OpenAPI document shows it. */
export function jsonAnswer(description: string, schema: object, example: unknown): object {
  return { description, content: { "application/json": { schema, examples: { example: { value: example } } } } };
}

/** The same for a list with pages. */
export function listAnswer(description: string, schema: object, example: unknown): object {
  const headers = { Link: { type: "string", description: "Address of the next page, where there is one." } };
  return { ...jsonAnswer(description, { type: "array", items: schema }, [example]), headers };
}

/** Puts the address of the next page into the `Link` header. `next` is what it starts after. */
export function linkNext(request: FastifyRequest, reply: FastifyReply, limit: number, next: unknown): void {
  const link =
    next === undefined ? undefined : linkHeader(request.originalUrl, limit, { nextCursor: encodeCursor(next) });
  if (link !== undefined) reply.header("link", link);
}

/** The page of rows that were read with one row more than `limit`, linked to the next one. */
export function page<Row>(
  request: FastifyRequest,
  reply: FastifyReply,
  limit: number,
  rows: readonly Row[],
  positionOf: (row: Row) => unknown,
): readonly Row[] {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  linkNext(request, reply, limit, rows.length > limit && last !== undefined ? positionOf(last) : undefined);
  return shown;
}

/** RFC 3339 in UTC. */
export function isoTime(timeMs: number): string;
export function isoTime(timeMs: number | null): string | null;
export function isoTime(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}

export const timeSchema = { type: "string", format: "date-time", examples: ["2026-03-01T09:30:00.125Z"] } as const;
export const textOrNull = { type: ["string", "null"] } as const;
export const countSchema = { type: "integer", minimum: 0 } as const;
export const shareSchema = { type: ["number", "null"], minimum: 0, maximum: 1 } as const;
