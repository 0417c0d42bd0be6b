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
