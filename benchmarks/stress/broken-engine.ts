import { createMemoryTransport, type Transport } from "@signalbox/event-store";
import type { Engine } from "./engines.js";

// For the tests of the runner: a transport that breaks a promise, with some seeds only.

/** As the process of one run gets it. */
const seed = Number(process.argv[4]);

export const engine: Engine = {
  cannot: ["durability"],
  start: async () => ({ address: "", stop: async () => {} }),
  async create(_, clock) {
    const inner = createMemoryTransport({ clock });
    const counting: Partial<Transport> = {
      remove: async (filter) => (await inner.remove(filter)) + (seed % 2 === 0 ? 1 : 0),
    };
    const transport = new Proxy(inner, {
      get(target, name) {
        const value: unknown = Reflect.get(counting, name) ?? Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return { transport, another: () => transport, destroy: () => inner.close() };
  },
};
