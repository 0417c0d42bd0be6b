import { expect, test } from "vitest";
import { withFigures } from "./describe-figures.mjs";

const figure = {
  name: "errors-ingest",
  workload: "20 envelopes",
  value: 3210.4,
  unit: "envelopes/s",
  peer: { name: "bare handler", value: 8000 },
  ratio: 0.4013,
  machine: { cores: 2, memoryGiB: 24, cpu: "any" },
  versions: { node: "v20.20.2" },
  date: "2026-11-20T10:00:00.000Z",
};
const readme = "# Title\n<!-- figures:begin -->\nold\n<!-- figures:end -->\nrest\n";

test("PF-900 the README shows the newest kept run of each benchmark with its peer and ratio", () => {
  const newer = { ...figure, value: 4000, ratio: 0.5, date: "2026-11-21T10:00:00.000Z" };
  const text = withFigures(readme, [newer, figure]);
  expect(text).toContain("| `errors-ingest` | 20 envelopes | 4,000 envelopes/s | 8,000 (bare handler) | 0.50 × |");
  expect(text).not.toContain("3,210");
  expect(text).not.toContain("old");
  expect(text.startsWith("# Title\n")).toBe(true);
  expect(text.endsWith("<!-- figures:end -->\nrest\n")).toBe(true);
});

test("a README without the markers is refused", () => {
  expect(() => withFigures("# Title\n", [figure])).toThrow("figures:begin");
});
