import { expect, test } from "vitest";
import { Backlog, SharedBacklog } from "./backlog.js";
import type { PeerSocket } from "./ports.js";

function createReader(): { readonly socket: PeerSocket; readonly calls: string[] } {
  const calls: string[] = [];
  const socket: PeerSocket = {
    send() {},
    close() {},
    pause: () => void calls.push("pause"),
    resume: () => void calls.push("resume"),
  };
  return { socket, calls };
}

test("GR-273 a peer with 2,000 undecided events is not read until half of them are decided", () => {
  const { socket, calls } = createReader();
  const backlog = new Backlog(socket, new SharedBacklog());
  for (let count = 0; count < 1_999; count++) backlog.enter(100);
  expect(calls).toEqual([]);
  backlog.enter(100);
  expect([calls, backlog.isPaused]).toEqual([["pause"], true]);
  for (let count = 0; count < 1_000; count++) backlog.leave(100);
  expect(calls).toEqual(["pause"]);
  backlog.leave(100);
  expect([calls, backlog.isPaused, backlog.resumes]).toEqual([["pause", "resume"], false, 1]);
});

test("GR-273 what all peers have queued together is bounded, and all of them go on when half of it is decided", () => {
  const shared = new SharedBacklog(10_000);
  const readers = Array.from({ length: 10 }, createReader);
  const backlogs = readers.map(({ socket }) => new Backlog(socket, shared));
  for (const backlog of backlogs) backlog.enter(1_000);
  expect(readers.map(({ calls }) => calls)).toEqual([...Array.from({ length: 9 }, () => []), ["pause"]]);
  backlogs[0]?.enter(1_000);
  expect(readers[0]?.calls).toEqual(["pause"]);
  for (const backlog of backlogs.slice(1, 8)) backlog.leave(1_000);
  expect([readers[0]?.calls, readers[9]?.calls]).toEqual([
    ["pause", "resume"],
    ["pause", "resume"],
  ]);
});

test("a peer that is gone is not woken any more", () => {
  const shared = new SharedBacklog(1_000);
  const { socket, calls } = createReader();
  const gone = new Backlog(socket, shared);
  gone.enter(1_000);
  gone.end();
  shared.add(-1_000);
  expect(calls).toEqual(["pause"]);
});
