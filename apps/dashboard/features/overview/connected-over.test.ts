import { expect, test } from "vitest";
import { connectedOver } from "./connected-over.js";

const at = (second: number): string => new Date(second * 1000).toISOString();

test("counts who was connected at the end of each part", () => {
  const came = {
    now: "connected",
    happenings: [
      { kind: "transition", at: at(25), from: "syncing", to: "connected" },
      { kind: "notice", at: at(22), from: null, to: null },
      { kind: "transition", at: at(15), from: "disconnected", to: "syncing" },
    ],
  };
  const went = {
    now: "disconnected",
    happenings: [{ kind: "transition", at: at(25), from: "connected", to: "disconnected" }],
  };
  expect(connectedOver([came], 0, 40_000, 4)).toEqual([0, 1, 1, 1]);
  expect(connectedOver([came, went], 0, 40_000, 4)).toEqual([1, 2, 1, 1]);
});

test("who never changed was always what it is", () => {
  expect(connectedOver([{ now: "connected", happenings: [] }], 0, 1_000, 2)).toEqual([1, 1]);
  expect(connectedOver([{ now: "connecting", happenings: [] }], 0, 1_000, 2)).toEqual([0, 0]);
});
