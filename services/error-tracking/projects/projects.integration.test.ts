import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { createVirtualClock, noMetrics, silentLogger, systemClock, type VirtualClock } from "@signalbox/kernel";
import { parseDsn } from "@signalbox/sentry-protocol";
import { requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createKeyCache, type KeyCache } from "../edge/key-cache.js";
import { errorTrackingMigrations } from "../migrations/error-tracking-migrations.js";
import { createProjects, type Projects } from "./projects.js";

const ports = { logger: silentLogger, metrics: noMetrics, clock: systemClock };

interface Place {
  readonly path?: string;
  readonly url?: string;
}

function describeProjects(
  engine: string,
  openPlace: () => Promise<{ readonly place: Place; close(): Promise<void> }>,
): void {
  describe(engine, () => {
    let opened: Awaited<ReturnType<typeof openPlace>>;
    let database: Database;
    let clock: VirtualClock;
    let serverUrl: string;
    let projects: Projects;

    beforeEach(async () => {
      opened = await openPlace();
      database = await openDatabase({ ...ports, ...opened.place });
      await migrate(database, [errorTrackingMigrations]);
      clock = createVirtualClock();
      serverUrl = "https://forge.example/signalbox";
      projects = createProjects({ database, clock, serverUrl: () => serverUrl });
    });
    afterEach(async () => {
      await database.close();
      await opened.close();
    });

    test("ET-020 a new project has one key of 32 hex digits and a DSN built from the server's address", async () => {
      const project = await projects.create("  My Shop ");
      expect(project).toMatchObject({
        id: 1,
        name: "My Shop",
        slug: "my-shop",
        active: true,
        createdAtMs: clock.nowMs(),
      });
      expect(parseDsn(project.dsn)).toEqual({
        scheme: "https",
        key: expect.stringMatching(/^[0-9a-f]{32}$/),
        host: "forge.example",
        prefix: "/signalbox",
        project: 1,
      });
      serverUrl = "http://127.0.0.1:8787";
      const [listed] = await projects.list();
      expect(listed?.dsn).toBe(`http://${parseDsn(project.dsn).key}@127.0.0.1:8787/1`);
      expect(await projects.keys(1)).toEqual([
        {
          id: 1,
          projectId: 1,
          publicKey: parseDsn(project.dsn).key,
          label: "Default",
          active: true,
          quotas: [],
          allowedOrigins: [],
          createdAtMs: clock.nowMs(),
          lastUsedAtMs: undefined,
          expiresAtMs: undefined,
          dsn: listed?.dsn,
        },
      ]);
    });

    test("slugs are made of names, differ, and never look like numbers", async () => {
      const slugs: string[] = [];
      for (const name of ["Über-Shop", "über shop", "ÜBER SHOP!", "42", "✨", "a_b", "x".repeat(100)])
        slugs.push((await projects.create(name)).slug);
      expect(slugs).toEqual([
        "uber-shop",
        "uber-shop-2",
        "uber-shop-3",
        "project-42",
        "project",
        "a_b",
        "x".repeat(40),
      ]);
      for (const name of ["", "   ", "a\nb", "x".repeat(101)])
        await expect(projects.create(name)).rejects.toMatchObject({ code: "ET_PROJECT_NAME_INVALID" });
    });

    test("many projects at once all get numbers and slugs of their own", async () => {
      const made = await Promise.all(Array.from({ length: 12 }, () => projects.create("shop")));
      expect(new Set(made.map(({ id }) => id)).size).toBe(12);
      expect(new Set(made.map(({ slug }) => slug)).size).toBe(12);
    });

    test("a project is renamed, disabled and removed; its number is not used again", async () => {
      const { id } = await projects.create("shop");
      await projects.create("other");
      expect(await projects.update(id, { name: "Market", slug: "market" })).toMatchObject({
        name: "Market",
        slug: "market",
        active: true,
      });
      expect(await projects.update(id, { active: false })).toMatchObject({ name: "Market", active: false });
      expect(await projects.get(id)).toMatchObject({ name: "Market", active: false });
      await expect(projects.update(id, { slug: "other" })).rejects.toMatchObject({ code: "ET_PROJECT_SLUG_TAKEN" });
      await expect(projects.update(id, { slug: "7" })).rejects.toMatchObject({ code: "ET_PROJECT_SLUG_INVALID" });
      await expect(projects.update(99, {})).rejects.toMatchObject({ code: "ET_PROJECT_NOT_FOUND" });

      expect(await projects.remove(2)).toBe(true);
      expect(await projects.remove(2)).toBe(false);
      expect(await projects.get(2)).toBeUndefined();
      await expect(projects.keys(2)).rejects.toMatchObject({ code: "ET_PROJECT_NOT_FOUND" });
      expect((await projects.create("third")).id).toBe(3);
    });

    test("ET-025 a project has several keys with label, state and quotas; the last one stays", async () => {
      const { id } = await projects.create("shop");
      const other = await projects.create("other");
      const key = await projects.createKey(id, { label: "Browser", prefix: "glet_" });
      expect(key).toMatchObject({
        label: "Browser",
        active: true,
        publicKey: expect.stringMatching(/^glet_[0-9a-f]{32}$/),
      });
      const quotas = [{ categories: ["error" as const], limit: 10, windowS: 60 }];
      expect(await projects.updateKey(id, key.id, { label: "Web", quotas })).toMatchObject({
        label: "Web",
        quotas,
        active: true,
      });
      expect(await projects.updateKey(id, key.id, { active: false })).toMatchObject({
        label: "Web",
        quotas,
        active: false,
      });
      expect((await projects.keys(id)).map(({ label, active }) => [label, active])).toEqual([
        ["Default", true],
        ["Web", false],
      ]);

      await expect(projects.updateKey(other.id, key.id, {})).rejects.toMatchObject({ code: "ET_KEY_NOT_FOUND" });
      await expect(projects.deleteKey(other.id, key.id)).rejects.toMatchObject({ code: "ET_KEY_NOT_FOUND" });
      await expect(projects.createKey(99)).rejects.toMatchObject({ code: "ET_PROJECT_NOT_FOUND" });
      await projects.deleteKey(id, key.id);
      const [last] = await projects.keys(id);
      await expect(projects.deleteKey(id, last?.id ?? 0)).rejects.toMatchObject({ code: "ET_KEY_LAST" });
    });

    test("a key that is replaced works on for its grace", async () => {
      const { id } = await projects.create("shop");
      const old = await projects.createKey(id, { label: "Web", prefix: "glet_" });
      const replacement = await projects.rotateKey(id, old.id, 60_000);
      expect(replacement).toMatchObject({ label: "Web", publicKey: expect.stringMatching(/^glet_[0-9a-f]{32}$/) });
      expect((await projects.keys(id)).find((key) => key.id === old.id)?.expiresAtMs).toBe(clock.nowMs() + 60_000);
      await expect(projects.rotateKey(id, 99, 1)).rejects.toMatchObject({ code: "ET_KEY_NOT_FOUND" });
    });

    test("the project default is made once, also when several processes race for it", async () => {
      const program = new URL("../dist/testing/ensure-default.js", import.meta.url);
      const children = Array.from({ length: 4 }, () => fork(program, [JSON.stringify(opened.place)], { execArgv: [] }));
      const dsns = await Promise.all(children.map(async (child) => (await once(child, "message"))[0]));
      expect(new Set(dsns).size).toBe(1);
      expect(await projects.list()).toMatchObject([{ id: 1, slug: "default", dsn: dsns[0] }]);
      expect(await projects.keys(1)).toHaveLength(1);
    });

    test("the project default is not made again after it was renamed or deleted", async () => {
      const made = await projects.ensureDefault();
      expect(await projects.ensureDefault()).toEqual(made);
      await projects.update(made?.id ?? 0, { slug: "main" });
      expect(await projects.ensureDefault()).toBeUndefined();
      await projects.remove(made?.id ?? 0);
      expect(await projects.ensureDefault()).toBeUndefined();
      expect(await projects.list()).toEqual([]);
    });

    describe("key cache", () => {
      let keys: KeyCache;
      let second: Database;

      beforeEach(async () => {
        second = await openDatabase({ ...ports, ...opened.place });
        keys = createKeyCache({ database: second, clock, logger: silentLogger });
        await keys.service.start();
      });
      afterEach(async () => {
        await keys.service.stop();
        await second.close();
      });

      /** What the cache says once it had its time. */
      const findAfterMs = async (publicKey: string, waitMs: number) => {
        await clock.advanceBy(waitMs);
        return keys.find(publicKey);
      };
      /** The clock stands still while the database is looked at, so the look was begun within 5 seconds. */
      const expectFoundWithin5s = async (publicKey: string, expected: unknown) => {
        await clock.advanceBy(4900);
        await expect.poll(() => keys.find(publicKey), { timeout: 20_000 }).toEqual(expected);
      };

      test("ET-024 a key made elsewhere works at once, also right after the keys were read", async () => {
        const { id, dsn } = await projects.create("shop");
        expect(await keys.find(parseDsn(dsn).key)).toMatchObject({ projectId: id, keyId: 1 });
        expect(await findAfterMs("unknown", 300)).toBeUndefined();
      });

      test("ET-024 what is disabled or deleted elsewhere is refused within 5 seconds, and comes back", async () => {
        const { id, dsn } = await projects.create("shop");
        const { key } = parseDsn(dsn);
        const { id: keyId, publicKey } = await projects.createKey(id);
        const found = { projectId: id, keyId: 1 };
        await expectFoundWithin5s(key, expect.objectContaining(found));

        await projects.update(id, { active: false });
        await expectFoundWithin5s(key, undefined);
        await projects.update(id, { active: true });
        await expectFoundWithin5s(key, expect.objectContaining(found));
        await projects.updateKey(id, keyId, { active: false });
        await expectFoundWithin5s(publicKey, undefined);
        // ET-025: the others go on working.
        expect(await keys.find(key)).toMatchObject(found);
        await projects.deleteKey(id, keyId);
        await projects.remove(id);
        await expectFoundWithin5s(key, undefined);
      });

      test("a replaced key works until its grace is over", async () => {
        const { id, dsn } = await projects.create("shop");
        const { key } = parseDsn(dsn);
        const { publicKey } = await projects.rotateKey(id, 1, 60_000);
        await expectFoundWithin5s(key, expect.objectContaining({ keyId: 1 }));
        await expectFoundWithin5s(publicKey, expect.objectContaining({ keyId: 2 }));
        expect(await findAfterMs(key, 60_000)).toBeUndefined();
      });

      test("ET-025 the time of the last use is written", async () => {
        const { id } = await projects.create("shop");
        keys.markUsed(1);
        const usedAtMs = clock.nowMs();
        await clock.advanceBy(30_000);
        await expect.poll(async () => (await projects.keys(id))[0]?.lastUsedAtMs).toBe(usedAtMs);
        await clock.advanceBy(1000);
        keys.markUsed(1);
        await keys.service.stop();
        expect((await projects.keys(id))[0]?.lastUsedAtMs).toBe(usedAtMs + 31_000);
      });

      test("what was known is used while the database is away", async () => {
        const { dsn } = await projects.create("shop");
        const { key } = parseDsn(dsn);
        await clock.advanceBy(300);
        expect(await keys.find(key)).toBeDefined();
        await second.close();
        expect(await findAfterMs(key, 10_000)).toBeDefined();
        expect(await findAfterMs("unknown", 10_000)).toBeUndefined();
      });

      test("unknown keys cost the database at most four looks a second", async () => {
        await clock.advanceBy(300);
        expect(await keys.find("unknown")).toBeUndefined();
        // Within a quarter of a second the answer needs no waiting, so no look was taken.
        for (let n = 0; n < 100; n++) expect(keys.find(`unknown${n}`)).toBeUndefined();
      });
    });
  });
}

describeProjects("SQLite", async () => {
  const directory = await mkdtemp(join(tmpdir(), "projects-"));
  return { place: { path: join(directory, "db") }, close: () => rm(directory, { recursive: true, force: true }) };
});

const needed = requireServers(["postgres"]);
describe.skipIf(needed.skip)(needed.title("on a server"), () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  describeProjects("PostgreSQL", async () => ({
    place: { url: await server.createDatabase() },
    close: async () => {},
  }));
});
