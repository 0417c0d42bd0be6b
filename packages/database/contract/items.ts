import type { Generated, Kysely } from "kysely";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { bytesType, identity, identityType } from "../column-types.js";
import type { Database } from "../database.js";
import type { DatabaseContractOptions, DatabaseUnderTest } from "./database-under-test.js";

export interface Tables {
  items: {
    id: Generated<number>;
    label: string;
    amount: number | null;
    data: Uint8Array | null;
    parent: number | null;
  };
}

/** The database under test with a table `items`, which is empty before each test. */
export interface Items {
  /** There from the first test on. */
  readonly database: Database;
  readonly cannot: NonNullable<DatabaseContractOptions["cannot"]>;
  openAnother(): Promise<Database>;
  insert(label: string, on?: Kysely<Tables>): Promise<unknown>;
  /** In the order in which they were inserted. */
  labels(on?: Kysely<Tables>): Promise<string[]>;
}

/** Makes the database before the tests of the suite that calls it, and removes it after them. */
export function useItems({ create, cannot = [] }: DatabaseContractOptions): Items {
  let subject: DatabaseUnderTest;
  beforeAll(async () => {
    subject = await create();
    await createTables(subject.database);
  });
  afterAll(() => subject.destroy());
  beforeEach(async () => {
    await subject.database.run("delete from items");
  });
  return {
    cannot,
    get database() {
      return subject.database;
    },
    openAnother: () => subject.openAnother(),
    insert: (label, on = subject.database.as<Tables>()) => on.insertInto("items").values({ label }).execute(),
    async labels(on = subject.database.as<Tables>()) {
      const rows = await on.selectFrom("items").select("label").orderBy("id").execute();
      return rows.map((row) => row.label);
    },
  };
}

async function createTables(database: Database): Promise<void> {
  const { engine } = database;
  await database
    .as<Tables>()
    .schema.createTable("items")
    .addColumn("id", identityType(engine), identity(engine))
    .addColumn("label", "text", (column) => column.notNull())
    .addColumn("amount", "double precision")
    .addColumn("data", bytesType(engine))
    .addColumn("parent", "bigint")
    .execute();
  await database.run(`create table strict (
    id bigint not null primary key,
    label text not null,
    amount bigint check (amount >= 0),
    parent bigint references strict (id)
  )`);
  await database.run(`create table deferred (
    id bigint not null primary key,
    parent bigint references deferred (id) deferrable initially deferred
  )`);
}

/** A moment that one piece of a test waits for and another one brings. */
export interface Signal {
  readonly given: Promise<void>;
  give(): void;
}

export function signal(): Signal {
  let give = (): void => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

/** Lets the event loop turn, so that whatever could go on does. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
