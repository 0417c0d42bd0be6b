import { createVirtualClock } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { createRevocations } from "./revocations.js";

/** A stored list, with the number of times it was read and a way to make reading fail or wait. */
function createStore() {
  const store = {
    revoked: new Set<string>(),
    reads: 0,
    failure: undefined as Error | undefined,
    gate: Promise.resolve(),
    async load() {
      store.reads++;
      const snapshot = [...store.revoked];
      await store.gate;
      if (store.failure) throw store.failure;
      return snapshot;
    },
  };
  return store;
}

describe("PF-032 revocation", () => {
  test("PF-032 takes effect within 5 s on an instance that is asked all the time", async () => {
    const clock = createVirtualClock();
    const store = createStore();
    const revocations = createRevocations({ load: store.load, clock });
    expect(await revocations.isRevoked("a")).toBe(false);
    store.revoked.add("a");
    let waitedMs = 0;
    while (!(await revocations.isRevoked("a"))) {
      await clock.advanceBy(100);
      // Nobody waits for the list: it is read beside the requests.
      expect(typeof revocations.isRevoked("b")).toBe("boolean");
      waitedMs += 100;
    }
    expect(waitedMs).toBeLessThanOrEqual(5000);
  });

  test("PF-032 takes effect at once on an instance that was idle", async () => {
    const clock = createVirtualClock();
    const store = createStore();
    const revocations = createRevocations({ load: store.load, clock });
    await revocations.isRevoked("a");
    store.revoked.add("a");
    await clock.advanceBy(60_000);
    expect(await revocations.isRevoked("a")).toBe(true);
  });

  test("PF-032 the list is read once for all who ask at the same time, and not again within 2 s", async () => {
    const clock = createVirtualClock();
    const store = createStore();
    const revocations = createRevocations({ load: store.load, clock });
    await Promise.all([revocations.isRevoked("a"), revocations.isRevoked("b"), revocations.isRevoked("c")]);
    expect(store.reads).toBe(1);
    await clock.advanceBy(1999);
    expect(revocations.isRevoked("a")).toBe(false);
    expect(store.reads).toBe(1);
  });

  test("PF-032 when the list cannot be read, tokens pass for 5 s and then wait for it", async () => {
    const clock = createVirtualClock();
    const store = createStore();
    const revocations = createRevocations({ load: store.load, clock });
    await revocations.isRevoked("a");
    store.failure = new Error("database away");
    await clock.advanceBy(4000);
    expect(await revocations.isRevoked("a")).toBe(false);
    await clock.advanceBy(1000);
    await expect(revocations.isRevoked("a")).rejects.toMatchObject({ status: 503, code: "unavailable" });
    store.failure = undefined;
    expect(await revocations.isRevoked("a")).toBe(false);
  });

  test("PF-032 a list that took longer to read than it may be old is not believed", async () => {
    const clock = createVirtualClock();
    const store = createStore();
    const revocations = createRevocations({ load: store.load, clock });
    let open = () => {};
    store.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = Promise.resolve(revocations.isRevoked("a"));
    await clock.advanceBy(6000);
    store.revoked.add("a");
    open();
    expect(await first).toBe(true);
    expect(store.reads).toBe(2);
  });
});
