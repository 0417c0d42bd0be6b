import { systemClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import type { Session } from "./engine.js";
import { createGroupCommit, type GroupCommit } from "./group-commit.js";

/** A session whose commit takes a moment; every other method does nothing. */
function slowSession(commitMs: number): Session {
  const nothing = async (): Promise<void> => {};
  const session: Partial<Session> = {
    begin: nothing,
    savepoint: nothing,
    releaseSavepoint: nothing,
    rollback: nothing,
    commit: () => new Promise((resolve) => setTimeout(resolve, commitMs)),
    leave() {},
  };
  return session as Session;
}

function createGroup(commitMs: number): { group: GroupCommit; sizes: number[] } {
  const sizes: number[] = [];
  const group = createGroupCommit({
    acquire: async () => slowSession(commitMs),
    clock: systemClock,
    maxMembers: 256,
    maxGroupMs: 1_000,
    maxWaiting: 1_000,
    maxGatherMs: 200,
    observe: ({ members }) => sizes.push(members),
  });
  return { group, sizes };
}

function write(group: GroupCommit): Promise<void> {
  return new Promise((resolve, reject) => {
    group.join({ kind: "work", perform: async () => {}, committed: resolve, failed: reject });
  });
}

test("PF-061 callers that were answered together and come back one by one share the next commit again", async () => {
  const { group, sizes } = createGroup(100);
  await Promise.all(Array.from({ length: 5 }, () => write(group)));
  const later = async (turns: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    await write(group);
  };
  await Promise.all([later(0), later(2), later(4), later(6), later(8)]);
  await expect.poll(() => sizes).toEqual([5, 5]);
});

test("PF-061 a group does not wait longer for the callers of the one before than that one took", async () => {
  const { group, sizes } = createGroup(20);
  await Promise.all(Array.from({ length: 5 }, () => write(group)));
  await write(group);
  await expect.poll(() => sizes).toEqual([5, 1]);
});

test("PF-061 somebody who writes alone is committed at once, one write after the other", async () => {
  const { group, sizes } = createGroup(1);
  for (let count = 0; count < 3; count++) await write(group);
  await expect.poll(() => sizes).toEqual([1, 1, 1]);
});
