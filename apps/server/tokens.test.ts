import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { createVirtualClock } from "@signalbox/kernel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serverMigrations } from "./migrations.js";
import { type IssuedToken, listTokens, recordToken, revokedTokenIds, revokeToken } from "./tokens.js";

let directory: string;
let database: Database;
const clock = createVirtualClock();

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "signalbox-tokens-"));
  database = await openDatabase({ path: join(directory, "signalbox.db") });
  await migrate(database, [serverMigrations]);
});
afterEach(async () => {
  await database.close();
  rmSync(directory, { recursive: true, force: true });
});

describe("tokens", () => {
  test("lists what was recorded, newest first", async () => {
    const older = token("older", { createdAtMs: clock.nowMs() - 1 });
    const newer = token("newer", { projects: [1, 2] });
    await recordToken(database, older);
    await recordToken(database, newer);
    expect(await listTokens(database)).toEqual([newer, older]);
  });

  test("revoking is remembered with its time, the first time counts", async () => {
    await recordToken(database, token("a"));
    const firstMs = clock.nowMs();
    await revokeToken(database, "a", clock);
    await clock.advanceBy(1_000);
    await revokeToken(database, "a", clock);
    expect((await listTokens(database))[0]?.revokedAtMs).toBe(firstMs);
  });

  test("revoked ids are those of revoked tokens that would still be valid", async () => {
    await recordToken(database, token("valid"));
    await recordToken(database, token("revoked"));
    await recordToken(database, token("expired", { expiresAtMs: clock.nowMs() - 3_600_000 }));
    await revokeToken(database, "revoked", clock);
    await revokeToken(database, "expired", clock);
    expect(await revokedTokenIds(database, clock)).toEqual(["revoked"]);
  });

  test("a token that was never made cannot be revoked", async () => {
    await expect(revokeToken(database, "nope", clock)).rejects.toMatchObject({ code: "TOKEN_UNKNOWN" });
  });
});

function token(id: string, changes: Partial<IssuedToken> = {}): IssuedToken {
  return {
    id,
    name: `token ${id}`,
    scopes: ["errors:read", "errors:write"],
    createdAtMs: clock.nowMs(),
    expiresAtMs: clock.nowMs() + 86_400_000,
    ...changes,
  };
}
