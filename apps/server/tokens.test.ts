import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { createVirtualClock, silentLogger } from "@signalbox/kernel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serverMigrations } from "./migrations.js";
import { createRevocations, type IssuedToken, listTokens, recordToken, revokeToken } from "./tokens.js";

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

  test("a token that was never made cannot be revoked", async () => {
    await expect(revokeToken(database, "nope", clock)).rejects.toMatchObject({ code: "TOKEN_UNKNOWN" });
  });
});

describe("revocations", () => {
  test("PF-032 a revocation is known within 5 s", async () => {
    await recordToken(database, token("a"));
    await recordToken(database, token("b"));
    const revocations = createRevocations(database, clock, silentLogger);
    await revocations.start();
    expect(await revocations.isRevoked("a")).toBe(false);
    await revokeToken(database, "a", clock);
    await clock.advanceBy(4_001);
    expect(await revocations.isRevoked("a")).toBe(true);
    expect(await revocations.isRevoked("b")).toBe(false);
    await revocations.stop();
  });

  test("PF-032 knowledge older than 5 s is never used: without the database the question fails", async () => {
    const revocations = createRevocations(database, clock, silentLogger);
    await revocations.start();
    await database.close();
    expect(await revocations.isRevoked("a")).toBe(false);
    await clock.advanceBy(4_001);
    await expect(revocations.isRevoked("a")).rejects.toMatchObject({ code: "DATABASE_CLOSED" });
    await revocations.stop();
  });

  test("stops reading when it is stopped", async () => {
    const revocations = createRevocations(database, clock, silentLogger);
    await revocations.start();
    await revocations.stop();
    await clock.advanceBy(10_000);
    expect(clock.nextTimerMs()).toBeUndefined();
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
