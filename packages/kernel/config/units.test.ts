import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, formatSize, parseDuration, parseSize } from "./units.js";

test.each([
  ["250ms", 250],
  ["15s", 15_000],
  ["5m", 300_000],
  ["2h", 7_200_000],
  ["28d", 2_419_200_000],
  ["1w", 604_800_000],
  ["1h30m", 5_400_000],
  ["0.5s", 500],
  ["0", 0],
])("PF-023 the duration %s is %d ms", (text, durationMs) => expect(parseDuration(text)).toBe(durationMs));

test.each(["", "15", "s", "15 s", "15S", "-5s", "5m!", "1e3s", ".5s", "9999999999999d", "15s "])(
  "PF-023 %j is no duration",
  (text) => expect(parseDuration(text)).toBeUndefined(),
);

test.each([
  ["20MiB", 20 * 2 ** 20],
  ["768KiB", 768 * 1024],
  ["10GiB", 10 * 2 ** 30],
  ["1TiB", 2 ** 40],
  ["1.5GB", 1_500_000_000],
  ["64kB", 64_000],
  ["512B", 512],
  ["1048576", 2 ** 20],
  ["1 GiB", 2 ** 30],
  ["0", 0],
])("PF-023 the size %s is %d bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));

test.each(["", "MiB", "20Mib", "20 mb", "-1B", "1e3", "9999999TiB", "1,5GB"])("PF-023 %j is no size", (text) => {
  expect(parseSize(text)).toBeUndefined();
});

test("PF-023 what is formatted reads back as the same amount", () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 45 }), (amount) => {
      expect(parseDuration(formatDuration(amount))).toBe(amount);
      expect(parseSize(formatSize(amount))).toBe(amount);
    }),
  );
  expect([formatDuration(90_000), formatDuration(2_419_200_000), formatDuration(1)]).toEqual(["90s", "28d", "1ms"]);
  expect([formatSize(20 * 2 ** 20), formatSize(1000), formatSize(0)]).toEqual(["20MiB", "1000B", "0B"]);
});
