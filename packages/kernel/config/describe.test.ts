import { expect, test } from "vitest";
import { describeConfig, listSettings, printConfig } from "./describe.js";
import { readConfig } from "./read.js";
import { defineSchema, section } from "./schema.js";
import { setting } from "./settings.js";

const schema = defineSchema({
  data_dir: setting.path({ description: "Where embedded stores keep their files.", default: "./data" }),
  queue: section("How work waits.", {
    lease_ms: setting.integer({ description: "How long a claim holds.", unit: "ms", default: 10_000, min: 1 }),
    keep: setting.duration({ description: "How long done work is kept.", default: "28d" }),
    max: setting.size({ description: "Largest backlog.", default: "10GiB" }),
    mode: setting.choice({ description: "Order | fairness.", choices: ["fifo", "fair"], default: "fifo" }),
  }),
  auth: section("Who may call.", {
    issuers: setting.objects({
      description: "Token issuers.",
      default: [],
      of: {
        issuer: setting.url({ description: "Its address.", required: true }),
        max_age: setting.duration({ description: "Oldest token.", default: "1h" }),
      },
    }),
  }),
});

test("PF-021 the reference lists every key with type, unit, default, variable and meaning", () => {
  expect(describeConfig(schema)).toBe(
    `${`
| key | type | unit | default | variable | meaning |
| --- | --- | --- | --- | --- | --- |
| \`data_dir\` | path | – | \`./data\` | \`SIGNALBOX_DATA_DIR\` | Where embedded stores keep their files. Accepts a path. |

## queue

How work waits.

| key | type | unit | default | variable | meaning |
| --- | --- | --- | --- | --- | --- |
| \`queue.lease_ms\` | integer | ms | \`10000\` | \`SIGNALBOX_QUEUE_LEASE_MS\` | How long a claim holds. Accepts a whole number of at least 1. |
| \`queue.keep\` | duration | – | \`28d\` | \`SIGNALBOX_QUEUE_KEEP\` | How long done work is kept. Accepts a duration such as 15s, 5m or 28d. |
| \`queue.max\` | size | – | \`10GiB\` | \`SIGNALBOX_QUEUE_MAX\` | Largest backlog. Accepts a size such as 512KiB, 20MiB or 1GiB. |
| \`queue.mode\` | one of fifo, fair | – | \`fifo\` | \`SIGNALBOX_QUEUE_MODE\` | Order \\| fairness. |

## auth

Who may call.

| key | type | unit | default | variable | meaning |
| --- | --- | --- | --- | --- | --- |
| \`auth.issuers\` | list of maps | – | \`[]\` | \`SIGNALBOX_AUTH_ISSUERS\` | Token issuers. Accepts a list of maps with issuer, max_age. |
| \`auth.issuers[].issuer\` | URL | – | required | – | Its address. Accepts a URL that starts with http:// or https:// without user name and password. |
| \`auth.issuers[].max_age\` | duration | – | \`1h\` | – | Oldest token. Accepts a duration such as 15s, 5m or 28d. |
`.trim()}\n`,
  );
});

test("PF-021 the list of settings holds every key of the schema once", () => {
  const keys = listSettings(schema).map(({ key }) => key);
  expect(keys.filter((key) => !key.includes("[]"))).toEqual([...schema.settings.keys()]);
  expect(new Set(keys).size).toBe(keys.length);
});

test("PF-021 the effective configuration is printed with each value's source", () => {
  const config = readConfig({
    schema,
    env: {
      SIGNALBOX_QUEUE_KEEP: "36h",
      SIGNALBOX_AUTH_ISSUERS: '[{"issuer":"https://id.example.test"}]',
    },
    flags: { data_dir: "/srv/box" },
  });
  expect(printConfig(config)).toEqual([
    { key: "data_dir", value: "/srv/box", source: "--data-dir" },
    { key: "queue.lease_ms", value: "10000", source: "default" },
    { key: "queue.keep", value: "36h", source: "SIGNALBOX_QUEUE_KEEP" },
    { key: "queue.max", value: "10GiB", source: "default" },
    { key: "queue.mode", value: "fifo", source: "default" },
    {
      key: "auth.issuers",
      value: '[{"issuer":"https://id.example.test","max_age":"1h"}]',
      source: "SIGNALBOX_AUTH_ISSUERS",
    },
  ]);
});
