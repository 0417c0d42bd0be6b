import type { FastifyReply, FastifyRequest } from "fastify";

/** Sets the entity tag, and answers 304 to whoever has this one already. */
export function isKnown(request: FastifyRequest, reply: FastifyReply, etag: string): boolean {
  reply.header("etag", etag);
  const known = (request.headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (!known.includes(etag) && !known.includes("*")) return false;
  reply.code(304).send();
  return true;
}
