import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Authenticator } from "../access.js";
import { createAuthenticator } from "../authenticator.js";
import type { Scope } from "../scopes.js";
import { createTokenKey, mintToken, type TokenKey, type TokenRequest } from "../tokens.js";

/** A real authenticator with a key of its own, and tokens that it accepts. */
export interface TestTokens {
  readonly authenticator: Authenticator;
  readonly key: TokenKey;
  /** A token good for an hour. */
  token(scopes: readonly Scope[], changes?: Partial<TokenRequest>): Promise<string>;
  /** Headers that carry such a token. */
  bearer(scopes: readonly Scope[], changes?: Partial<TokenRequest>): Promise<{ authorization: string }>;
  /** From now on all of them are refused. */
  revokeAll(): void;
}

export async function createTestTokens(): Promise<TestTokens> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-tokens-"));
  const key = await createTokenKey(directory);
  await rm(directory, { recursive: true });
  let revoked = false;
  const token: TestTokens["token"] = async (scopes, changes = {}) =>
    (await mintToken(key, { subject: "test", scopes, lifetimeMs: 3_600_000, ...changes })).token;
  return {
    authenticator: createAuthenticator({ key, isRevoked: () => revoked }),
    key,
    token,
    bearer: async (scopes, changes) => ({ authorization: `Bearer ${await token(scopes, changes)}` }),
    revokeAll() {
      revoked = true;
    },
  };
}
