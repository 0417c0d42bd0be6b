import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { type FilterJson, readFilter } from "@signalbox/nostr";
import { afterAll, beforeAll, expect, test } from "vitest";
import { relayMigrations } from "./migrations.js";
import type { StreamOptions } from "./port.js";
import type { Fragment } from "./statement.js";
import { openStream, type PositionRow } from "./stream.js";
import { createTurnBudget } from "./turn-budget.js";

const hex = (digit: string): string => digit.repeat(64);
const viewer = { restrictedKinds: [4, 1059], keys: new Set([hex("9")]) };
let directory: string;
let database: Database;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "relay-plan-"));
  database = await openDatabase({ path: join(directory, "relay.db") });
  await migrate(database, [relayMigrations]);
});
afterAll(async () => {
  await database.close();
  rmSync(directory, { recursive: true });
});

/** The statements of the first two pages, when the first is full. */
async function statementsFor(json: FilterJson, options: Partial<StreamOptions> = {}): Promise<readonly Fragment[]> {
  const read = readFilter(json);
  if (read.kind !== "filter") throw new Error(read.reason);
  const asked: Fragment[] = [];
  let pages = 0;
  const stream = openStream(
    {
      engine: "sqlite",
      turns: createTurnBudget(),
      async readEach(statements) {
        asked.push(...statements);
        const full = pages++ === 0;
        return statements.map(({ values }, scan) => {
          const size = Number(values.at(-1));
          return Array.from(
            { length: full ? size : 0 },
            (_, row): PositionRow => ({ id: hex("a"), created_at: 9_000 - row - scan * 1_000, fits: 0 }),
          );
        });
      },
    },
    read.filter,
    { now: 5, viewer, ...options },
  );
  await stream.next();
  return asked;
}

async function explain({ sql, values }: Fragment): Promise<readonly string[]> {
  const { rows } = await database.run<{ detail: string }>(`explain query plan ${sql}`, values);
  return rows.map(({ detail }) => detail);
}

const times = { since: 1, until: 9_999_999 };

test.each<[string, FilterJson, RegExp]>([
  ["everything", {}, /^SCAN e USING INDEX relay_events_time$/],
  ["a time", times, /^SEARCH e USING INDEX relay_events_time \(created_at>\? AND created_at<\?\)$/],
  ["kinds", { kinds: [1, 7] }, /^SEARCH e USING INDEX relay_events_kind \(kind=\?/],
  ["kinds in a time", { kinds: [1], ...times }, /relay_events_kind \(kind=\? AND created_at>\? AND created_at<\?\)$/],
  ["authors", { authors: [hex("1"), hex("2")] }, /^SEARCH e USING INDEX relay_events_author \(pubkey=\?/],
  ["authors and kinds", { authors: [hex("1")], kinds: [1, 7] }, /relay_events_author_kind \(pubkey=\? AND kind=\?/],
  ["announcements", { kinds: [30_617, 10_317] }, /^SEARCH e USING INDEX relay_events_kind \(kind=\?/],
  [
    "states of repositories",
    { kinds: [30_618], "#d": ["shop", "mill"] },
    /^SEARCH t USING PRIMARY KEY \(name=\? AND value=\?/,
  ],
  ["what is about repositories", { "#a": ["30617:x:shop"] }, /^SEARCH t USING PRIMARY KEY \(name=\? AND value=\?/],
  ["of a kind about repositories", { "#a": ["30617:x:shop"], kinds: [1621] }, /^SEARCH t USING PRIMARY KEY/],
  ["what is about conversations", { "#e": [hex("3"), hex("4")] }, /^SEARCH t USING PRIMARY KEY \(name=\? AND value=\?/],
  ["two tags", { "#e": [hex("3")], "#t": ["bug"] }, /^SEARCH t USING PRIMARY KEY \(name=\? AND value=\?/],
  [
    "a tag, authors and a time",
    { "#e": [hex("3")], authors: [hex("1")], ...times },
    /created_at>\? AND created_at<\?\)$/,
  ],
])(
  "GR-061 GR-062 %s: every page comes from an index in the order of results, and nothing is sorted",
  async (_, json, way) => {
    const statements = await statementsFor(json);
    expect(statements.length).toBeGreaterThan(1);
    for (const statement of statements) {
      const [first = "", ...rest] = await explain(statement);
      expect(first).toMatch(/created_at[<=]/.test(first) ? /USING (INDEX|PRIMARY KEY)/ : way);
      expect([first, ...rest].join("\n")).not.toContain("TEMP B-TREE");
      // What else is looked at is looked up: the event of a tag, or a tag of the event.
      for (const step of rest) if (/^(SCAN|SEARCH)/.test(step)) expect(step).toMatch(/^SEARCH [ex] USING .*=\?/);
    }
    expect((await explain(statements[0] ?? { sql: "", values: [] }))[0]).toMatch(way);
  },
);

test("GR-061 GR-062 ids are looked up, and no more of them are sorted than were asked for", async () => {
  const [statement] = await statementsFor({ ids: [hex("1"), hex("2"), hex("3")], kinds: [1] });
  expect((await explain(statement ?? { sql: "", values: [] }))[0]).toMatch(
    /^SEARCH e USING INDEX sqlite_autoindex_relay_events_1 \(id=\?\)$/,
  );
});

test("GR-062 events of other kinds are passed over without a look at them: the kind stands first, beside the tag", async () => {
  const [statement] = await statementsFor({ "#a": ["30617:x:shop"], kinds: [1621] });
  expect(statement?.sql).toMatch(/case when t\.kind in \(\?\) and exists \(/);
});
