import { createVirtualClock } from "@signalbox/kernel";
import { createMemoryStore } from "./memory-store.js";
import { describeExperienceStore } from "./testing.js";

describeExperienceStore({
  name: "memory",
  cannot: ["share"],
  async create({ rules }) {
    const clock = createVirtualClock();
    const store = createMemoryStore({ clock, ...(rules ? { rules } : {}) });
    return {
      store,
      clock,
      another: () => Promise.reject(new Error("Memory is not shared")),
      destroy: () => store.close(),
    };
  },
});
