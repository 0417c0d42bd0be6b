import type { Clock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { assertTransport } from "../testing.js";
import { createMemoryTransport, type MemoryTransport } from "./memory.js";

/** The memory transport, changed in one respect. */
function subject(change: (transport: MemoryTransport) => void = () => {}) {
  return async (clock: Clock) => {
    const transport = createMemoryTransport({ clock });
    change(transport);
    return { transport, another: () => transport, destroy: () => transport.close() };
  };
}

test("ES-324 the contract can be asserted without a test runner, and tells which promises are broken", async () => {
  const create = subject((transport) => {
    transport.subscribers = async () => ["nobody.in_particular"];
  });
  const failure = await assertTransport({ name: "boastful", cannot: ["durability"], create }).catch(
    (error: unknown) => error,
  );
  if (!(failure instanceof AggregateError)) throw failure;
  expect(failure.message).toMatch(/^boastful breaks 2 promises:\n {2}ES-200 .*\n {2}ES-208 /);
});
