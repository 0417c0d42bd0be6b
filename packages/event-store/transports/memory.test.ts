import { afterAll, describe, test } from "vitest";
import { describeTransport } from "./contract.js";
import { createMemoryTransport } from "./memory.js";

describeTransport({
  name: "memory",
  cannot: ["durability"],
  runner: { describe, test, afterAll },
  async create() {
    const transport = createMemoryTransport();
    return { transport, another: () => transport, destroy: () => transport.close() };
  },
});
