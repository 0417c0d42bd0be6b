import { expect, test, vi } from "vitest";
import { Lane } from "./lane.js";

interface Work {
  readonly promise: Promise<string>;
  end(): void;
}

function startWork(name: string): Work {
  let end = (): void => {};
  const promise = new Promise<string>((resolve) => {
    end = () => resolve(name);
  });
  return { promise, end };
}

const never = new AbortController().signal;

test("each resource serves one call at a time, in the order of the calls", async () => {
  const lane = new Lane(["one", "two"], { maxWaiting: 10 });
  const started: string[] = [];
  const works = ["a", "b", "c", "d"].map(startWork);
  const calls = works.map((work, index) =>
    lane.run(never, (resource) => {
      started.push(`${index} on ${resource}`);
      return work.promise;
    }),
  );
  await vi.waitFor(() => expect(started).toEqual(["0 on two", "1 on one"]));
  works[1]?.end();
  await vi.waitFor(() => expect(started).toEqual(["0 on two", "1 on one", "2 on one"]));
  works[0]?.end();
  works[2]?.end();
  works[3]?.end();
  expect(await Promise.all(calls)).toEqual(["a", "b", "c", "d"]);
});

test("a resource whose call was aborted is free when its work has ended, not before", async () => {
  const lane = new Lane(["only"], { maxWaiting: 10 });
  const abort = new AbortController();
  const work = startWork("abandoned");
  const call = lane.run(abort.signal, () => work.promise);
  let nextStarted = false;
  const next = lane.run(never, async () => {
    nextStarted = true;
  });
  abort.abort(new Error("enough"));
  await expect(call).rejects.toThrow("enough");
  expect(nextStarted).toBe(false);
  work.end();
  await next;
});

test("a call that is aborted in line leaves it", async () => {
  const lane = new Lane(["only"], { maxWaiting: 1 });
  const work = startWork("first");
  const first = lane.run(never, () => work.promise);
  const abort = new AbortController();
  const waiting = lane.run(abort.signal, async () => "never");
  await expect(lane.run(never, async () => "too many")).rejects.toMatchObject({ code: "ANALYTICS_OVERLOADED" });
  abort.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  const last = lane.run(never, async () => "last");
  work.end();
  expect(await Promise.all([first, last])).toEqual(["first", "last"]);
});

test("a failing call frees its resource, and draining waits for all", async () => {
  const lane = new Lane(["only"], { maxWaiting: 1 });
  await expect(lane.run(never, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  const work = startWork("last");
  let ended = false;
  const call = lane
    .run(never, () => work.promise)
    .then(() => {
      ended = true;
    });
  setImmediate(() => work.end());
  expect(await lane.drain()).toEqual(["only"]);
  await call;
  expect(ended).toBe(true);
});
