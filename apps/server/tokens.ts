import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { ServerError } from "./errors.js";

/** What is kept of a token: enough to list and revoke it, never the token itself. */
export interface IssuedToken {
  readonly id: string;
  /** What it is for, in its owner's words. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** Ids of the projects that it is narrowed to; absent: all. */
  readonly projects?: readonly number[] | undefined;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly revokedAtMs?: number | undefined;
}

/** More than clocks may differ when an expiry is checked. */
const leewayMs = 300_000;

interface TokenTables {
  api_tokens: {
    id: string;
    name: string;
    scopes: string;
    projects: string | null;
    created_at_ms: number;
    expires_at_ms: number;
    revoked_at_ms: number | null;
  };
}

export async function recordToken(database: Database, token: IssuedToken): Promise<void> {
  await database
    .as<TokenTables>()
    .insertInto("api_tokens")
    .values({
      id: token.id,
      name: token.name,
      scopes: token.scopes.join(" "),
      projects: token.projects?.join(" ") ?? null,
      created_at_ms: token.createdAtMs,
      expires_at_ms: token.expiresAtMs,
      revoked_at_ms: null,
    })
    .execute();
}

/** Newest first, also those that have expired or were revoked. */
export async function listTokens(database: Database): Promise<IssuedToken[]> {
  const rows = await database
    .reader<TokenTables>()
    .selectFrom("api_tokens")
    .selectAll()
    .orderBy("created_at_ms", "desc")
    .orderBy("id", "desc")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    scopes: row.scopes.split(" "),
    projects: row.projects?.split(" ").map(Number),
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    revokedAtMs: row.revoked_at_ms ?? undefined,
  }));
}

/**
 * Takes effect on every running server within 5 s. Revoking again changes nothing.
 * @throws {ServerError} `TOKEN_UNKNOWN`
 */
export async function revokeToken(database: Database, id: string, clock: Clock): Promise<void> {
  const { numUpdatedRows } = await database
    .as<TokenTables>()
    .updateTable("api_tokens")
    .set((update) => ({ revoked_at_ms: update.fn.coalesce("revoked_at_ms", update.val(clock.nowMs())) }))
    .where("id", "=", id)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new ServerError("TOKEN_UNKNOWN", { message: `There is no token ${id}` });
}

/** Ids of the revoked tokens that would still be valid otherwise. */
export async function revokedTokenIds(database: Database, clock: Clock): Promise<string[]> {
  const rows = await database
    .reader<TokenTables>()
    .selectFrom("api_tokens")
    .select("id")
    .where("revoked_at_ms", "is not", null)
    .where("expires_at_ms", ">", clock.nowMs() - leewayMs)
    .execute();
  return rows.map(({ id }) => id);
}
