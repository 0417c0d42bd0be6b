import type { Database } from "@signalbox/database";
import { type Clock, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
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

/** The revoked tokens, as every running server knows them. */
export interface Revocations extends Service {
  /**
   * Whether the token was revoked, by knowledge at most 5 s old.
   * @throws what the database throws when it could not be asked for that long.
   */
  isRevoked(tokenId: string): Promise<boolean>;
}

const refreshEveryMs = 2_000;
const trustedForMs = 4_000;

export function createRevocations(database: Database, clock: Clock, logger: Logger): Revocations {
  let revoked: ReadonlySet<string> = new Set();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let timer: Timer | undefined;

  const read = async (): Promise<void> => {
    const startedMs = clock.monotonicMs();
    const rows = await database
      .reader<TokenTables>()
      .selectFrom("api_tokens")
      .select("id")
      .where("revoked_at_ms", "is not", null)
      .where("expires_at_ms", ">", clock.nowMs())
      .execute();
    revoked = new Set(rows.map(({ id }) => id));
    readAtMs = startedMs;
  };
  const refresh = (): Promise<void> => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };

  const service = createService({
    name: "revocations",
    async start(signal) {
      await refresh();
      const again = (): void => {
        if (signal.aborted) return;
        timer = clock.setTimer(refreshEveryMs, () => {
          refresh().then(again, (error: unknown) => {
            logger.warn("revoked tokens cannot be read", { error });
            again();
          });
        });
      };
      again();
    },
    async stop() {
      timer?.cancel();
    },
  });
  return {
    ...service,
    async isRevoked(tokenId) {
      if (clock.monotonicMs() - readAtMs > trustedForMs) await refresh();
      return revoked.has(tokenId);
    },
  };
}
