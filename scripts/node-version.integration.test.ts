import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { nodeVersionProblem } from "./node-version.mjs";

test("PF-002 the bootstrap refuses a Node that is too old with one line", () => {
  const old = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.4" } })`;
  for (const script of ["start", "test", "check", "bench", "generate-docs"]) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(old)}`, `scripts/${script}.mjs`],
      { encoding: "utf8" },
    );
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: "",
      stderr: "Signalbox needs Node 20.19.0 or newer, this is Node 18.20.4: https://nodejs.org\n",
    });
  }
});

test("PF-002 versions compare by number, part by part", () => {
  const refused = ["4.0.0", "18.20.4", "20.9.0", "20.18.3"];
  const accepted = ["20.19.0", "20.20.2", "22.0.0", "100.0.0"];
  expect(refused.filter((version) => nodeVersionProblem(version) === "")).toEqual([]);
  expect(accepted.filter((version) => nodeVersionProblem(version) !== "")).toEqual([]);
});
