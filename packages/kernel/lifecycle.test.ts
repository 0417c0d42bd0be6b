import { expect, test } from "vitest";
import { createService, createServiceGroup, type Service, type StopOptions } from "./lifecycle.js";

test("starting and stopping twice is one start and one stop", async () => {
  const { service, calls } = recorded("web");
  await Promise.all([service.start(), service.start()]);
  await service.start();
  await Promise.all([service.stop(), service.stop()]);
  await service.stop();
  expect(calls).toEqual(["web starts", "web stops"]);
});

test("stop waits for a start under way and aborts its signal", async () => {
  const steps: string[] = [];
  const service = createService({
    name: "web",
    start: (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          steps.push("start gave up");
          reject(signal.reason);
        });
      }),
    stop: async () => void steps.push("stopped"),
  });
  const started = expect(service.start()).rejects.toThrow("web is stopping");
  await service.stop();
  await started;
  expect(steps).toEqual(["start gave up", "stopped"]);
});

test("stop without a start releases resources, and a start after it does nothing", async () => {
  const { service, calls } = recorded("web");
  await service.stop();
  await service.start();
  expect(calls).toEqual(["web stops"]);
});

test("a start that throws before it awaits rejects like any other", async () => {
  const service = createService({
    name: "web",
    start: () => {
      throw new Error("no port");
    },
    stop: async () => {},
  });
  await expect(service.start()).rejects.toThrow("no port");
  await service.stop();
});

test("a group starts in order and stops in reverse, handing the deadline on", async () => {
  const calls: string[] = [];
  const group = createServiceGroup(
    "server",
    ["database", "store", "web"].map((name) => recorded(name, calls).service),
  );
  await group.start();
  await group.stop({ deadlineMs: 7 });
  expect(calls).toEqual([
    ...["database starts", "store starts", "web starts"],
    ...["web stops within 7", "store stops within 7", "database stops within 7"],
  ]);
});

test("when one fails to start, those before it are stopped and the error is thrown", async () => {
  const calls: string[] = [];
  const failing = createService({
    name: "store",
    start: () => Promise.reject(new Error("no disk")),
    stop: async () => void calls.push("store stops"),
  });
  const group = createServiceGroup("server", [
    recorded("database", calls).service,
    failing,
    recorded("web", calls).service,
  ]);
  await expect(group.start()).rejects.toThrow("no disk");
  expect(calls).toEqual(["database starts", "store stops", "database stops"]);
  await group.stop();
  expect(calls).toHaveLength(3);
});

test("a failing stop is reported but keeps no other from stopping", async () => {
  const calls: string[] = [];
  const failing = createService({
    name: "store",
    start: async () => {},
    stop: () => Promise.reject(new Error("stuck")),
  });
  const group = createServiceGroup("server", [recorded("database", calls).service, failing]);
  await group.start();
  await expect(group.stop()).rejects.toMatchObject({ errors: [expect.objectContaining({ message: "stuck" })] });
  expect(calls).toEqual(["database starts", "database stops"]);
});

test("a stop while one of the group still starts reaches that one, and no later one starts", async () => {
  const calls: string[] = [];
  let slowBegan = (): void => {};
  const began = new Promise<void>((resolve) => {
    slowBegan = resolve;
  });
  const slow = createService({
    name: "slow",
    start: (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        slowBegan();
      }),
    stop: async (options) => void calls.push(stopped("slow", options)),
  });
  const group = createServiceGroup("server", [
    recorded("database", calls).service,
    slow,
    recorded("web", calls).service,
  ]);
  const started = expect(group.start()).rejects.toThrow("slow is stopping");
  await began;
  await group.stop({ deadlineMs: 7 });
  await started;
  expect(calls).toEqual(["database starts", "slow stops within 7", "database stops within 7"]);
});

function recorded(name: string, calls: string[] = []): { service: Service; calls: string[] } {
  const service = createService({
    name,
    start: async () => void calls.push(`${name} starts`),
    stop: async (options) => void calls.push(stopped(name, options)),
  });
  return { service, calls };
}

function stopped(name: string, { deadlineMs }: StopOptions): string {
  return deadlineMs === undefined ? `${name} stops` : `${name} stops within ${deadlineMs}`;
}
