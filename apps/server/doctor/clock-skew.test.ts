import { expect, test } from "vitest";
import { skewFinding } from "./clock-skew.js";

const nowMs = Date.UTC(2026, 0, 1);

test("PF-011 clocks that agree within a second are fine", () => {
  expect(skewFinding("database", { beforeMs: nowMs, theirsMs: nowMs + 900, afterMs: nowMs + 10 }).status).toBe("ok");
});

test("PF-011 a clock that is ahead or behind is a warning that says by how much", () => {
  const ahead = skewFinding("database", { beforeMs: nowMs, theirsMs: nowMs + 5_000, afterMs: nowMs });
  expect(ahead).toMatchObject({ status: "warning", message: "its clock is 5.0 s ahead of ours" });
  const behind = skewFinding("database", { beforeMs: nowMs, theirsMs: nowMs - 90_000, afterMs: nowMs });
  expect(behind).toMatchObject({ status: "warning", message: "its clock is 90.0 s behind ours" });
});

test("a slow answer proves no skew", () => {
  const slow = { beforeMs: nowMs, theirsMs: nowMs + 10_000, afterMs: nowMs + 20_000 };
  expect(skewFinding("database", slow).status).toBe("ok");
  expect(skewFinding("database", { ...slow, theirsMs: nowMs + 20_900 }).status).toBe("ok");
});
