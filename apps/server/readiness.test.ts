import { createVirtualClock, SignalboxError, silentLogger } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { createReadiness, type Dependency } from "./readiness.js";

describe("readiness", () => {
  test("is ready when every dependency answers", async () => {
    const { readiness } = given(answers("database"), answers("analytics"));
    expect(await readiness.state()).toEqual({
      ready: true,
      dependencies: [
        { name: "database", ok: true, duration_s: 0 },
        { name: "analytics", ok: true, duration_s: 0 },
      ],
    });
  });

  test("names the one that fails, with its code", async () => {
    const failure = new SignalboxError("DATABASE_UNAVAILABLE", { message: "The password of box was refused" });
    const { readiness } = given(fails("database", failure), answers("analytics"));
    expect(await readiness.state()).toEqual({
      ready: false,
      dependencies: [
        { name: "database", ok: false, failure: "DATABASE_UNAVAILABLE", duration_s: 0 },
        { name: "analytics", ok: true, duration_s: 0 },
      ],
    });
  });

  test("does not wait for one that never answers", async () => {
    const { readiness, clock } = given({ name: "database", check: () => new Promise(() => {}) });
    const state = readiness.state();
    await clock.advanceBy(3_000);
    expect(await state).toMatchObject({ ready: false, dependencies: [{ failure: "NO_ANSWER" }] });
  });

  test("asks again after a second, not sooner", async () => {
    let asked = 0;
    const { readiness, clock } = given({ name: "database", check: async () => void asked++ });
    await Promise.all([readiness.state(), readiness.state()]);
    await clock.advanceBy(999);
    await readiness.state();
    expect(asked).toBe(1);
    await clock.advanceBy(1);
    await readiness.state();
    expect(asked).toBe(2);
  });

  test("is not ready once the server stops", async () => {
    const { readiness } = given(answers("database"));
    readiness.end();
    expect((await readiness.state()).ready).toBe(false);
  });
});

function answers(name: string): Dependency {
  return { name, check: async () => {} };
}

function fails(name: string, error: Error): Dependency {
  return { name, check: () => Promise.reject(error) };
}

function given(...dependencies: Dependency[]) {
  const clock = createVirtualClock();
  return { clock, readiness: createReadiness(dependencies, clock, silentLogger) };
}
