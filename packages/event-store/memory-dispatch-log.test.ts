import { afterAll, describe, expect, test } from "vitest";
import { defineEvent } from "./index.js";
import { createMemoryDispatchLog } from "./memory-dispatch-log.js";
import { createTestStore, describeDispatchLog } from "./testing.js";

describeDispatchLog({
  name: "memory",
  runner: { describe, test, afterAll },
  create: async () => ({ log: createMemoryDispatchLog(), destroy: async () => {} }),
});

test("ES-282 the memory log forgets its oldest rows", async () => {
  const happened = defineEvent("ci.happened", { schema: { type: "object" } });
  const dispatchLog = createMemoryDispatchLog({ maxRows: 5 });
  const { store } = createTestStore({ dispatchLog, configure: (registry) => void registry.register(happened) });
  const ids: string[] = [];
  for (let count = 0; count < 23; count++) {
    const event = happened.create({});
    ids.push(event.id);
    await store.publish(event);
  }
  const found = await dispatchLog.history?.find(ids);
  expect(found?.dispatches.map(({ eventId }) => eventId)).toEqual(ids.slice(-5));
});
