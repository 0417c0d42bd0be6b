import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { format, inspect } from "node:util";
import { afterAll, expect, test } from "vitest";
import { createLogger } from "../logger.js";
import { ConfigError } from "./config-error.js";
import { printConfig } from "./describe.js";
import { readConfig } from "./read.js";
import { defineSchema, section } from "./schema.js";
import { Secret } from "./secret.js";
import { setting } from "./settings.js";

const schema = defineSchema({
  database: section("Database", {
    url: setting.secretUrl({ description: "Address.", protocols: ["postgres"] }),
  }),
  smtp: section("Mail", { password: setting.secret({ description: "Password.", minLength: 5 }) }),
  webhooks: setting.objects({
    description: "Receivers.",
    default: [],
    of: {
      url: setting.url({ description: "Address.", required: true }),
      secret: setting.secret({ description: "Signing key." }),
    },
  }),
});

const folder = mkdtempSync(join(tmpdir(), "signalbox-secret-"));
const secretFile = join(folder, "password");
writeFileSync(secretFile, "hunter2\n");
afterAll(() => rmSync(folder, { recursive: true }));

test("PF-022 a secret may be a file reference, from which one newline at the end is taken away", () => {
  for (const reference of [`file:${secretFile}`, `file:${pathToFileURL(secretFile).href.slice("file:".length)}`]) {
    const { values } = readConfig({ schema, env: { SIGNALBOX_SMTP_PASSWORD: reference } });
    expect(values.smtp.password?.reveal()).toBe("hunter2");
  }
  const other = join(folder, "two-newlines");
  writeFileSync(other, "hunter2\n\r\n");
  const { values } = readConfig({ schema, env: { SIGNALBOX_SMTP_PASSWORD: `file:${other}` } });
  expect(values.smtp.password?.reveal()).toBe("hunter2\n");
});

test("PF-022 a reference in the configuration file counts from that file's folder, also inside lists", () => {
  mkdirSync(join(folder, "keys"));
  writeFileSync(join(folder, "keys", "hook"), "signing key");
  writeFileSync(join(folder, "url"), "postgres://u:hunter2@db/box");
  const file = join(folder, "signalbox.yaml");
  writeFileSync(
    file,
    "database: { url: 'file:url' }\nwebhooks: [{ url: https://hooks.example.test, secret: file:keys/hook }]\n",
  );
  const { values } = readConfig({ schema, file });
  expect(values.database.url?.reveal()).toBe("postgres://u:hunter2@db/box");
  expect(values.webhooks[0]?.secret?.reveal()).toBe("signing key");
});

test("PF-022 a reference to a file that is missing or holds something else is a clear error", () => {
  const short = join(folder, "short");
  writeFileSync(short, "abc\n");
  const env = {
    SIGNALBOX_DATABASE_URL: `file:${secretFile}`,
    SIGNALBOX_SMTP_PASSWORD: `file:${short}`,
    SIGNALBOX_WEBHOOKS: '[{"url":"https://hooks.example.test","secret":"file:/no/such/file"}]',
  };
  expect(messageOf(env)).toBe(
    [
      "The configuration is not valid (3 problems):",
      `- SIGNALBOX_DATABASE_URL: database.url is "file:${secretFile}": expected a file that holds a URL that starts with postgres://`,
      `- SIGNALBOX_SMTP_PASSWORD: smtp.password is "file:${short}": expected a file that holds at least 5 characters`,
      '- SIGNALBOX_WEBHOOKS: webhooks[0].secret is "file:/no/such/file": expected a readable file (ENOENT)',
    ].join("\n"),
  );
});

test.each([
  ["SIGNALBOX_DATABASE_URL", "mysql://u:hunter2@db/box"],
  ["SIGNALBOX_SMTP_PASSWORD", "h2!"],
  ["SIGNALBOX_WEBHOOKS", '[{"url":"nowhere","secret":"hunter2"'],
  ["SIGNALBOX_WEBHOOKS", '[{"url":"https://u:hunter2@hooks.example.test"}]'],
])("PF-022 a refused value of %s is not shown", (variable, value) => {
  const message = messageOf({ [variable]: value });
  expect(message).toContain("problem");
  expect(message).not.toContain("hunter2");
  expect(message).not.toContain("h2!");
});

test("PF-022 a secret is masked by whatever prints it", () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } });
  const { values } = readConfig({
    schema,
    env: { SIGNALBOX_SMTP_PASSWORD: "hunter2", SIGNALBOX_DATABASE_URL: "postgres://u:hunter2@db/box" },
  });
  logger.info("configured", { values, mail: values.smtp, url: values.database.url });
  const prints = [
    ...lines,
    JSON.stringify(values),
    inspect(values, { depth: 9, showHidden: true }),
    format("%s %o %j", values.smtp.password, values, values),
    `${values.smtp.password}`,
    String(structuredCloneOf(values.smtp)),
  ];
  for (const print of prints) expect(print).not.toContain("hunter2");
  expect(JSON.stringify(values.smtp)).toBe('{"password":"[secret]"}');
  expect(values.smtp.password?.reveal()).toBe("hunter2");
});

test("PF-022 the printed configuration masks secrets, also within URLs and lists", () => {
  const config = readConfig({
    schema,
    env: {
      SIGNALBOX_SMTP_PASSWORD: "hunter2",
      SIGNALBOX_DATABASE_URL: "postgres://u:hunter2@db:5432/box?sslpassword=hunter2",
      SIGNALBOX_WEBHOOKS: '[{"url":"https://hooks.example.test","secret":"hunter2"}]',
    },
  });
  expect(printConfig(config)).toEqual([
    { key: "database.url", value: "postgres://***@db:5432/box?***", source: "SIGNALBOX_DATABASE_URL" },
    { key: "smtp.password", value: "[secret]", source: "SIGNALBOX_SMTP_PASSWORD" },
    {
      key: "webhooks",
      value: '[{"url":"https://hooks.example.test","secret":"[secret]"}]',
      source: "SIGNALBOX_WEBHOOKS",
    },
  ]);
});

test("a secret does not say how long it is", () => {
  expect(String(new Secret("a"))).toBe(String(new Secret("a much longer secret")));
});

function structuredCloneOf(value: object): unknown {
  return inspect(structuredClone(value));
}

function messageOf(env: Record<string, string>): string {
  try {
    readConfig({ schema, env });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("the configuration was accepted");
}
