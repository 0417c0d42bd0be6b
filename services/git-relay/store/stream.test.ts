import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { systemClock } from "@signalbox/kernel";
import { type Filter, type FilterJson, markVerified, readFilter, type VerifiedEvent } from "@signalbox/nostr";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { relayMigrations } from "./migrations.js";
import type { EventPosition } from "./port.js";
import { createSqlRelayEvents } from "./sql.js";
import type { Fragment } from "./statement.js";
import { openStream, type PositionRow, type StreamReader } from "./stream.js";
import { createTurnBudget } from "./turn-budget.js";

const now = 1_767_225_600;
const eventCount = 12_000;
const keyOf = (name: string): string => createHash("sha256").update(name).digest("hex");
const rare = keyOf("somebody who wrote little");
const common = keyOf("somebody who wrote much");

/** Nearly all have the topic and are of one author; some seconds have thousands of them. */
function manyEvents(): VerifiedEvent[] {
  return Array.from({ length: eventCount }, (_, index) =>
    markVerified({
      id: keyOf(`event ${index}`),
      pubkey: index % 3_000 === 1 ? rare : common,
      created_at: index < 5_000 ? 1_000 : 1_001 + Math.floor(index / 4),
      kind: 1,
      tags: [
        ["t", "much"],
        ["p", keyOf(`reader ${index % 300}`)],
      ],
      content: "",
      sig: "0".repeat(128),
    }),
  );
}

describe("a stream over many events of which few match", () => {
  let directory: string;
  let database: Database;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "relay-stream-"));
    database = await openDatabase({ path: join(directory, "relay.db") });
    await migrate(database, [relayMigrations]);
    const events = createSqlRelayEvents({ database, clock: systemClock });
    const origin = { source: "client", correlationId: "C" } as const;
    await events.write((unit) => unit.store(manyEvents().map((event) => ({ event, origin, anchor: true }))));
  });
  afterAll(async () => {
    await database.close();
    rmSync(directory, { recursive: true });
  });

  /** The reader of the store, with what it was asked and how much it gave. */
  function countingReader(): StreamReader & { readonly rows: number[]; readonly statements: Fragment[] } {
    const rows: number[] = [];
    const statements: Fragment[] = [];
    return {
      engine: "sqlite",
      turns: createTurnBudget(),
      rows,
      statements,
      async readEach(some) {
        return Promise.all(
          some.map(async (statement) => {
            const found = (await database.run<PositionRow>(statement.sql, statement.values)).rows;
            statements.push(statement);
            rows.push(found.length);
            return found;
          }),
        );
      },
    };
  }

  const filterOf = (json: FilterJson): Filter => {
    const read = readFilter(json);
    if (read.kind !== "filter") throw new Error(read.reason);
    return read.filter;
  };
  const readAll = async (reader: StreamReader, json: FilterJson): Promise<EventPosition[]> => {
    const stream = openStream(reader, filterOf(json), { now });
    const found: EventPosition[] = [];
    for (let page = await stream.next(); page.length > 0; page = await stream.next()) found.push(...page);
    return found;
  };
  const readers = (count: number): string[] => Array.from({ length: count }, (_, index) => keyOf(`reader ${index}`));

  test.each<[string, FilterJson, number]>([
    ["an author who hardly uses a topic", { "#t": ["much"], authors: [rare] }, 500],
    ["a kind that nothing has", { "#t": ["much"], kinds: [7] }, 500],
    ["a topic with a few readers", { "#t": ["much"], "#p": readers(10), kinds: [1] }, 500],
    ["a topic with many readers", { "#t": ["much", "more"], "#p": readers(1_990) }, 64],
  ])("GR-064 no statement looks at more than 500 rows: %s", async (_, json, most) => {
    const reader = countingReader();
    await readAll(reader, json);
    expect(Math.max(0, ...reader.rows)).toBeLessThanOrEqual(most);
    // The number of rows is what the statement says, whatever becomes of them afterwards.
    for (const { sql, values } of reader.statements) {
      expect(sql).toMatch(/limit \?$/);
      expect(Number(values.at(-1))).toBeLessThanOrEqual(most);
      const { rows } = await database.run<{ detail: string }>(`explain query plan ${sql}`, values);
      // No sorting, and no way through a whole table.
      for (const { detail } of rows) expect(detail).not.toMatch(/TEMP B-TREE FOR ORDER|SCAN (e|t|x)\b(?!.*USING)/);
    }
  });

  test("GR-064 others get their turn while it is read, however little matches", async () => {
    let turns = 0;
    let isOver = false;
    const takeTurns = (): void => {
      turns++;
      if (!isOver) setImmediate(takeTurns);
    };
    setImmediate(takeTurns);
    const found = await readAll(countingReader(), { "#t": ["much"], authors: [rare] });
    isOver = true;
    expect(found).toHaveLength(4);
    expect(turns).toBeGreaterThan(eventCount / 1_000);
  });

  test("GR-064 it ends at the next statement when nobody waits for it any more, although nothing matched yet", async () => {
    const reader = countingReader();
    const stream = openStream(reader, filterOf({ "#t": ["much"], kinds: [7] }), {
      now,
      isCancelled: () => reader.statements.length >= 3,
    });
    expect(await stream.next()).toEqual([]);
    expect(reader.statements).toHaveLength(3);
  });

  test("GR-064 within a second of thousands of events an index goes on where it was", async () => {
    const reader = countingReader();
    const found = await readAll(reader, { authors: [common], until: 1_000 });
    expect(new Set(found.map(({ id }) => id)).size).toBe(4_998);
    expect(found.map(({ id }) => id)).toEqual(found.map(({ id }) => id).sort());
    const within = reader.statements.filter(({ sql }) => sql.includes("created_at = ?"));
    expect(within.length).toBeGreaterThan(7);
  });
});

test("GR-064 long texts are loaded in parts, between which others get their turn", async () => {
  const directory = mkdtempSync(join(tmpdir(), "relay-texts-"));
  const database = await openDatabase({ path: join(directory, "relay.db") });
  await migrate(database, [relayMigrations]);
  const events = createSqlRelayEvents({ database, clock: systemClock });
  const origin = { source: "client", correlationId: "C" } as const;
  const long = manyEvents()
    .slice(0, 60)
    .map((event) => markVerified({ ...event, content: "x".repeat(200_000) }));
  for (const event of long) await events.write((unit) => unit.store([{ event, origin, anchor: true }]));
  let turns = 0;
  let isOver = false;
  const takeTurns = (): void => {
    turns++;
    if (!isOver) setImmediate(takeTurns);
  };
  setImmediate(takeTurns);
  const texts = await events.load(
    long.map(({ id }) => id),
    now,
  );
  isOver = true;
  expect(texts.size).toBe(60);
  expect([...texts.values()].every((raw) => raw.length > 200_000)).toBe(true);
  // Twelve million characters, two million at once.
  expect(turns).toBeGreaterThanOrEqual(7);
  await database.close();
  rmSync(directory, { recursive: true });
});
