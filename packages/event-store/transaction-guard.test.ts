import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openSqlite, withTransactionScope } from "@signalbox/database";
import { createLogger } from "@signalbox/kernel";
import { expect, onTestFinished, test, vi } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import { createTestStore, type TestStore } from "./test-store.js";

const ItemSold = defineEvent("shop.item_sold", { schema: { type: "object" } });

test("ES-145 an event that is published inside a transaction is refused, logged and not dispatched", async () => {
  const made = await setUp();
  const event = ItemSold.create({});
  const error = await made.database.transaction(async () => refusal(made.store.publish(event)));
  expect(error).toMatchObject({ code: "EVT_IN_TRANSACTION", retryable: false, details: { eventIds: [event.id] } });
  expect(made.errors()).toMatchObject([{ msg: "an event was published inside a transaction", event_ids: [event.id] }]);
  expect(made.dispatched()).toBe(0);
});

test("ES-145 ES-130 a group is refused too, and all its events are named", async () => {
  const made = await setUp();
  const events = [1, 2, 3].map(() => ItemSold.create({}));
  const ids = events.map(({ id }) => id);
  const error = await made.database.transaction(async () => refusal(made.store.publishGroup(events)));
  expect(error).toMatchObject({ code: "EVT_IN_TRANSACTION", details: { eventIds: ids } });
  expect(made.errors()).toMatchObject([{ event_ids: ids }]);
  expect(made.dispatched()).toBe(0);
});

test("ES-145 the guard sees through nested calls, timers and shared commits", async () => {
  const made = await setUp();
  const service = async (): Promise<unknown> => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return refusal(made.store.publish(ItemSold.create({})));
  };
  const inATransaction = await made.database.transaction(async () => service());
  const inASharedCommit = await made.database.commitTogether(async () => service());
  const begunElsewhere = await withTransactionScope(service);
  for (const error of [inATransaction, inASharedCommit, begunElsewhere])
    expect(error).toMatchObject({ code: "EVT_IN_TRANSACTION" });
  expect(made.dispatched()).toBe(0);
});

test("ES-145 before and after the transaction publishing is free, also for work that was begun inside", async () => {
  const made = await setUp();
  await made.store.publish(ItemSold.create({}));
  const ended = held();
  let later: Promise<unknown> | undefined;
  await made.database.transaction(async () => {
    later = ended.promise.then(() => made.store.publish(ItemSold.create({})));
  });
  ended.open();
  await later;
  await made.store.publish(ItemSold.create({}));
  expect(made.dispatched()).toBe(3);
});

test("ES-145 a transaction beside the publish does not matter", async () => {
  const made = await setUp();
  const gate = held();
  const transaction = made.database.transaction(() => gate.promise);
  await made.store.publish(ItemSold.create({}));
  gate.open();
  await transaction;
  expect(made.dispatched()).toBe(1);
});

test("ES-145 a transport without a database cannot join a transaction", async () => {
  const made = await setUp();
  const error = await made.database.transaction(async (transaction) =>
    refusal(made.store.publish(ItemSold.create({}), { transaction })),
  );
  expect(error).toMatchObject({ code: "EVT_TRANSACTION_FOREIGN" });
  expect(made.dispatched()).toBe(0);
});

interface Made extends TestStore {
  readonly database: Database;
  errors(): Record<string, unknown>[];
  /** How many deliveries the transport was given. */
  dispatched(): number;
}

async function setUp(): Promise<Made> {
  const directory = await mkdtemp(join(tmpdir(), "event-store-guard-"));
  const database = await openSqlite({ path: join(directory, "app.db") });
  const texts: string[] = [];
  const Worker = defineSubscriber("notes.worker", { handle: async () => {} });
  const test = createTestStore({
    configure: (registry) => registry.subscribe(Worker, { to: ItemSold }),
    logger: createLogger({ level: "error", destination: { write: (text: string) => void texts.push(text) } }),
  });
  const enqueue = vi.spyOn(test.transport, "enqueue");
  onTestFinished(async () => {
    await test.store.stop();
    await database.close();
    await rm(directory, { recursive: true, force: true });
  });
  return {
    ...test,
    database,
    errors: () => texts.map((text) => JSON.parse(text)),
    dispatched: () => enqueue.mock.calls.reduce((sum, [deliveries]) => sum + deliveries.length, 0),
  };
}

function held(): { readonly promise: Promise<void>; open(): void } {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open: () => open() };
}

async function refusal(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.fail("nothing was refused"),
    (error: unknown) => error,
  );
}
