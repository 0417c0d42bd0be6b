import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import { createVirtualClock } from "@signalbox/kernel";
import { describe, expect, onTestFinished, test } from "vitest";
import { experienceMigrations } from "../migrations.js";
import { createWebhookTurns } from "../webhook-turns.js";

/** What turns of webhooks promise, on a SQLite file or what `newDatabaseUrl` gives. */
export function describeWebhookTurns(name: string, newDatabaseUrl?: () => Promise<string>): void {
  const open = async () => {
    const directory = mkdtempSync(join(tmpdir(), "turns-"));
    const place = { url: await newDatabaseUrl?.(), path: join(directory, "test.db") };
    const databases = [await openDatabase(place), await openDatabase(place)];
    const clock = createVirtualClock();
    onTestFinished(async () => {
      for (const database of databases) await database.close();
      rmSync(directory, { recursive: true, force: true });
    });
    const [first] = databases;
    if (first) await migrate(first, [experienceMigrations]);
    return { clock, processes: databases.map((database) => createWebhookTurns(database, clock)) };
  };
  const request = (eventId: string, changes: object = {}) => ({
    target: "hook",
    tenant: "default",
    experienceId: "checkout",
    eventId,
    minIntervalMs: 300_000,
    ...changes,
  });
  const withheld = { kind: "withheld" };
  const granted = (withheldBefore: number) => ({ kind: "granted", withheldBefore });

  describe(`turns of webhooks on ${name}`, () => {
    test("XP-515 one turn in the interval; the next one knows how many were withheld", async () => {
      const { clock, processes } = await open();
      const [turns, others] = processes;
      expect(await turns?.take(request("a"))).toEqual(granted(0));
      expect(await turns?.take(request("b"))).toEqual(withheld);
      await clock.advanceBy(299_999);
      expect(await others?.take(request("c"))).toEqual(withheld);
      expect(await turns?.take(request("d", { experienceId: "search" }))).toEqual(granted(0));
      expect(await turns?.take(request("e", { target: "other" }))).toEqual(granted(0));
      expect(await turns?.take(request("f", { tenant: "acme" }))).toEqual(granted(0));
      expect(await turns?.take(request("g", { minIntervalMs: 0 }))).toEqual(granted(0));
      await clock.advanceBy(1);
      expect(await others?.take(request("h"))).toEqual(granted(2));
    });

    test("XP-515 who had a turn has it for ever, in every process", async () => {
      const { clock, processes } = await open();
      const [turns, others] = processes;
      await turns?.take(request("a"));
      await clock.advanceBy(300_000);
      expect(await turns?.take(request("b"))).toEqual(granted(0));
      expect(await turns?.take(request("a"))).toEqual(granted(0));
      expect(await others?.take(request("a"))).toEqual(granted(0));
      expect(await others?.take(request("c"))).toEqual(withheld);
    });

    test("XP-515 of many at once one has the turn, whichever process asks", async () => {
      const { processes } = await open();
      const turns = await Promise.all(
        Array.from({ length: 20 }, async (_, n) => processes[n % 2]?.take(request(`event-${n}`))),
      );
      expect(turns.filter((turn) => turn?.kind === "granted")).toHaveLength(1);
    });
  });
}
