import { readFileSync } from "node:fs";
import { listSettings } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { configSchema, configurationReference, readServerConfig } from "./config.js";

const document = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");

test("PF-021 docs/configuration.md is what the schema says; npm run docs renews it", () => {
  expect(document).toBe(configurationReference());
});

test("PF-021 every key is listed with type, default, variable and meaning", () => {
  const settings = listSettings(configSchema);
  expect(settings.length).toBeGreaterThan(30);
  for (const { key, type, default: standard, variable, description } of settings) {
    const row = document.split("\n").find((line) => line.startsWith(`| \`${key}\` |`));
    for (const part of [type, standard, variable, description]) expect(row, key).toContain(part.replaceAll("|", "\\|"));
  }
});

test("PF-020 the defaults alone are a valid configuration, frozen to its depths", () => {
  const { values } = readServerConfig({ env: {}, flags: {} });
  expect(values).toMatchObject({
    dataDir: "./data",
    listen: { host: "127.0.0.1", port: 8787 },
    metricsListen: { host: "127.0.0.1", port: 9464 },
    shutdown: { deadlineMs: 20_000 },
  });
  expect(Object.isFrozen(values)).toBe(true);
  expect(Object.isFrozen(values.http.rateLimits)).toBe(true);
});

test("PF-022 passwords in addresses are not shown", () => {
  const { values } = readServerConfig({ env: { SIGNALBOX_DATABASE_URL: "postgres://box:hunter2@db/box" }, flags: {} });
  expect(JSON.stringify(values)).not.toContain("hunter2");
  expect(String(values.databaseUrl)).not.toContain("hunter2");
});

/** Every key of the event store with its default, and a value beyond its range. */
const eventKeys: readonly (readonly [id: string, key: string, standard: unknown, beyond: string])[] = [
  ["ES-520", "events.slots", 64, "0"],
  ["ES-520", "events.lease_ms", 10_000, "99"],
  ["ES-520", "events.max_crashes", 3, "0"],
  ["ES-520", "events.poll_ms", 100, "0"],
  ["ES-520", "events.partitions", 16, "0"],
  ["ES-520", "events.max_inline_bytes", 262_144, "1"],
  ["ES-520", "events.max_event_bytes", 16_777_216, "1"],
  ["ES-520", "events.max_pending_publishes", 10_000, "0"],
  ["ES-520", "events.publish_dedup_window_ms", 120_000, "0"],
  ["ES-522", "events.group_batch_size", 100, "0"],
  ["ES-522", "events.group_batch_gap_ms", 10_000, "-1"],
  ["ES-522", "events.group_base_delay_ms", 1_000, "0"],
  ["ES-522", "events.outbox_poll_ms", 500, "0"],
  ["ES-522", "events.outbox_max_lag_ms", 300_000, "0"],
  ["ES-522", "events.inbox_retention_ms", 604_800_000, "0"],
  ["ES-523", "events.log", "all", "some"],
  ["ES-523", "events.log_data", true, "maybe"],
  ["ES-523", "events.tracing", "link", "child"],
  ["ES-523", "events.dispatch_log_days", 30, "0"],
  ["ES-523", "events.dead_retention_days", 30, "0"],
  ["ES-523", "events.max_replays", 3, "0"],
  ["ES-523", "events.type_prefix", "dev.signalbox", "Not A Domain"],
  ["ES-523", "events.jetstream.max_bytes", 10_737_418_240, "0"],
  ["ES-523", "events.jetstream.replicas", 1, "0"],
  ["ES-523", "events.bullmq.prefix", "signalbox", ""],
  ["ES-523", "events.bullmq.allow_volatile", false, "maybe"],
];

test.each(eventKeys)(
  "ES-520 ES-522 ES-523 (%s) %s is %j by default; a value beyond its range is refused by key and range",
  (_, key, standard, beyond) => {
    const settings = listSettings(configSchema);
    const setting = settings.find((one) => one.key === key);
    expect(setting?.variable).toBe(`SIGNALBOX_${key.replaceAll(".", "_").toUpperCase()}`);
    const { values } = readServerConfig({ env: {}, flags: {} });
    expect(valueAt(values, key)).toBe(standard);
    const read = () => readServerConfig({ env: {}, flags: { [key]: beyond } });
    expect(read).toThrow(key);
    expect(read).toThrow(beyond === "" ? /character|empty|expected/i : /expected|from|one of|true or false/i);
  },
);

/** Keys are snake_case in the file and camelCase in the program. */
function valueAt(values: object, key: string): unknown {
  const steps = key
    .split(".")
    .map((step) => step.replaceAll(/_([a-z])/g, (__, letter: string) => letter.toUpperCase()));
  return steps.reduce<unknown>(
    (found, step) => (typeof found === "object" && found !== null ? Reflect.get(found, step) : undefined),
    values,
  );
}
