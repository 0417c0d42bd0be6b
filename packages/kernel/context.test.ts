import { setTimeout as delay } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { currentContext, enterContext, inContext, withContext } from "./context.js";

test("the context is empty at the root", () => {
  expect(currentContext()).toEqual({});
});

test("a context lasts over awaits, timers and callbacks, beside others of their own", async () => {
  const seen = await Promise.all(
    ["a", "b", "c"].map((correlationId) =>
      withContext({ correlationId }, async () => {
        await delay(1);
        await new Promise<void>((resolve) => setImmediate(resolve));
        return currentContext().correlationId;
      }),
    ),
  );
  expect(seen).toEqual(["a", "b", "c"]);
  expect(currentContext()).toEqual({});
});

test("an inner context keeps what it does not change and merges meta key by key", () => {
  withContext({ correlationId: "a", rootCaller: "web", meta: { user: "u", project: "p" } }, () => {
    withContext({ causationId: "e", rootCaller: undefined, meta: { project: "q" } }, () => {
      expect(currentContext()).toEqual({ correlationId: "a", causationId: "e", meta: { user: "u", project: "q" } });
    });
    expect(currentContext().meta).toEqual({ user: "u", project: "p" });
  });
});

test("inContext lets nothing of the current context through", () => {
  withContext({ correlationId: "a", userId: "u" }, () => {
    inContext({ correlationId: "b" }, () => expect(currentContext()).toEqual({ correlationId: "b" }));
  });
});

test("an entered context lasts for the rest of that execution only", async () => {
  const entered = async (): Promise<string | undefined> => {
    enterContext({ correlationId: "entered" });
    await delay(1);
    return currentContext().correlationId;
  };
  expect(await withContext({}, entered)).toBe("entered");
  expect(currentContext()).toEqual({});
});

test("a context cannot be changed by whoever reads it", () => {
  withContext({ correlationId: "a", meta: { user: "u" } }, () => {
    expect(Object.isFrozen(currentContext())).toBe(true);
    expect(Object.isFrozen(currentContext().meta)).toBe(true);
  });
});

test("two copies of the package in one process share the context", async () => {
  vi.resetModules();
  const otherCopy = await import("./context.js");
  expect(otherCopy.withContext).not.toBe(withContext);
  const seen = await withContext({ correlationId: "shared" }, async () => {
    await delay(1);
    return otherCopy.currentContext().correlationId;
  });
  expect(seen).toBe("shared");
  expect(otherCopy.withContext({ correlationId: "back" }, () => currentContext().correlationId)).toBe("back");
});
