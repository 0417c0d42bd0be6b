import { expect, test } from "vitest";
import { createMemoryTransport } from "./memory.js";
import { createSqlTransport } from "./sql/transport.js";

const database = { run() {}, batch() {}, transaction() {} };

/** What a program without types may give. */
const memory = (options: unknown) => Reflect.apply(createMemoryTransport, undefined, [options]);
const sql = (options?: unknown) => Reflect.apply(createSqlTransport, undefined, [options]);

test.each([
  ["a misspelt option", () => memory({ maxDelivery: 5 }), "maxDelivery", "did you mean `maxDeliveries`?"],
  ["a number out of its range", () => memory({ maxDeliveries: 0 }), "maxDeliveries", "from 1 to 100000000"],
  ["no number at all", () => sql({ database, pollMs: Number.NaN }), "pollMs", "from 1 to 86400000"],
  ["nothing", () => sql(), "options", "must be an object"],
  ["a list", () => sql([]), "options", "must be an object"],
  ["no database", () => sql({}), "database", "is missing"],
  ["something else than a database", () => sql({ database: "forge.db" }), "database", "with the method `batch`"],
  ["something else than a clock", () => sql({ database, clock: { now: () => 0 } }), "clock", "with the method `nowMs`"],
  ["something else than a logger", () => sql({ database, logger: console }), "logger", "with the method `child`"],
])("ES-004 ES-543 a transport that is given %s is not made, and the option is named", (_, make, option, message) => {
  const refusal = { code: "EVT_CONFIG_INVALID", details: { option }, message: expect.stringContaining(message) };
  expect(make).toThrow(expect.objectContaining(refusal));
});
