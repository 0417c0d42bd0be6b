import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { ConfigError, type ConfigProblem } from "./config-error.js";
import { type ReadConfigOptions, readConfig } from "./read.js";
import { defineSchema, type Schema, section } from "./schema.js";
import { setting } from "./settings.js";
import { describeSource } from "./sources.js";

const schema = defineSchema({
  data_dir: setting.path({ description: "Where embedded stores keep their files.", default: "./data" }),
  listen: setting.listen({ description: "Address of the API.", default: "127.0.0.1:8787" }),
  transport: setting.choice({ description: "Carrier.", choices: ["sql", "jetstream"], default: "sql" }),
  http: section("HTTP", {
    trusted_proxies: setting.list(setting.string({ description: "Proxy" }), { description: "Proxies.", default: [] }),
    max_body: setting.size({ description: "Largest body.", default: "1MiB", max: "1GiB" }),
    compress: setting.boolean({ description: "Compress answers.", default: true }),
  }),
  shutdown: section("Stopping", {
    deadline: setting.duration({ description: "How long work may take.", default: "20s", min: "1s" }),
    attempts: setting.integer({ description: "How often.", default: 3, min: 1, max: 9 }),
    factor: setting.number({ description: "How much.", default: 1.5 }),
  }),
  public_url: setting.url({ description: "Address that clients use." }),
  auth: section("Access", {
    issuers: setting.objects({
      description: "Token issuers.",
      default: [],
      of: {
        issuer: setting.url({ description: "URL.", required: true }),
        audience: setting.string({ description: "Audience.", default: "signalbox" }),
        max_age: setting.duration({ description: "Age.", default: "1h" }),
      },
    }),
    timeouts: setting.map(setting.duration({ description: "Timeout" }), {
      description: "Timeouts by name.",
      names: ["login", "logout"],
      default: {},
    }),
  }),
});

const folder = mkdtempSync(join(tmpdir(), "signalbox-config-"));
const file = join(folder, "signalbox.yaml");
afterEach(() => rmSync(file, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

test("PF-020 without any source the defaults hold", () => {
  const { values, settings } = readConfig({ schema });
  expect(values).toEqual({
    dataDir: "./data",
    listen: { host: "127.0.0.1", port: 8787 },
    transport: "sql",
    http: { trustedProxies: [], maxBodyBytes: 2 ** 20, compress: true },
    shutdown: { deadlineMs: 20_000, attempts: 3, factor: 1.5 },
    publicUrl: undefined,
    auth: { issuers: [], timeouts: {} },
  });
  expect(new Set(settings.map(({ source }) => source.kind))).toEqual(new Set(["default"]));
});

test("PF-020 a flag wins over a variable, a variable over the file, the file over the default", () => {
  writeFileSync(file, "data_dir: /file\nlisten: 0.0.0.0:1\ntransport: jetstream\n");
  const config = readConfig({
    schema,
    file,
    env: { SIGNALBOX_DATA_DIR: "/variable", SIGNALBOX_LISTEN: "0.0.0.0:2" },
    flags: { listen: "0.0.0.0:3" },
  });
  expect(config.values).toMatchObject({
    dataDir: "/variable",
    listen: { port: 3 },
    transport: "jetstream",
    shutdown: { deadlineMs: 20_000 },
  });
  expect(sourcesOf(config)).toMatchObject({
    listen: "--listen",
    data_dir: "SIGNALBOX_DATA_DIR",
    transport: `${file}:3`,
    "shutdown.deadline": "default",
  });
});

test("PF-020 all kinds are read alike from YAML and from variables", () => {
  writeFileSync(
    file,
    `
listen: "[::1]:9"
http: { trusted_proxies: [10.0.0.1, 10.0.0.2], max_body: 20MiB, compress: off }
shutdown: { deadline: 1m30s, attempts: 5, factor: 2.25 }
public_url: https://box.example.test/base
auth:
  issuers:
    - issuer: https://id.example.test
      max_age: 5m
    - { issuer: https://other.example.test, audience: forge }
  timeouts: { login: 5s }
`,
  );
  const fromFile = readConfig({ schema, file });
  const fromVariables = readConfig({
    schema,
    env: {
      SIGNALBOX_LISTEN: "[::1]:9",
      SIGNALBOX_HTTP_TRUSTED_PROXIES: "10.0.0.1, 10.0.0.2",
      SIGNALBOX_HTTP_MAX_BODY: "20MiB",
      SIGNALBOX_HTTP_COMPRESS: "off",
      SIGNALBOX_SHUTDOWN_DEADLINE: "1m30s",
      SIGNALBOX_SHUTDOWN_ATTEMPTS: "5",
      SIGNALBOX_SHUTDOWN_FACTOR: "2.25",
      SIGNALBOX_PUBLIC_URL: "https://box.example.test/base",
      SIGNALBOX_AUTH_ISSUERS: `[{"issuer":"https://id.example.test","max_age":"5m"},
        {"issuer":"https://other.example.test","audience":"forge"}]`,
      SIGNALBOX_AUTH_TIMEOUTS: "login=5s",
    },
  });
  expect(fromVariables.values).toEqual(fromFile.values);
  expect(fromFile.values).toEqual({
    dataDir: "./data",
    listen: { host: "::1", port: 9 },
    transport: "sql",
    http: { trustedProxies: ["10.0.0.1", "10.0.0.2"], maxBodyBytes: 20 * 2 ** 20, compress: false },
    shutdown: { deadlineMs: 90_000, attempts: 5, factor: 2.25 },
    publicUrl: "https://box.example.test/base",
    auth: {
      issuers: [
        { issuer: "https://id.example.test", audience: "signalbox", maxAgeMs: 300_000 },
        { issuer: "https://other.example.test", audience: "forge", maxAgeMs: 3_600_000 },
      ],
      timeouts: { login: 5000 },
    },
  });
});

test("PF-020 the values are frozen to their depths and do not follow the environment", () => {
  const env: Record<string, string> = { SIGNALBOX_AUTH_ISSUERS: '[{"issuer":"https://id.example.test"}]' };
  const { values } = readConfig({ schema, env });
  env["SIGNALBOX_AUTH_ISSUERS"] = "[]";
  for (const part of [values, values.http, values.listen, values.auth.issuers, values.auth.issuers[0]]) {
    expect(Object.isFrozen(part)).toBe(true);
  }
  expect(values.auth.issuers).toHaveLength(1);
});

test("PF-020 unknown keys are refused by name with the nearest known key", () => {
  writeFileSync(file, "lisen: 1\nhttp:\n  deadline: 5s\n  max-body: 1MiB\nnowhere_near: 1\nshutdwn: {}\n");
  expect(problemsOf({ file })).toEqual([
    { key: "lisen", source: `${file}:1`, expected: "unknown key; did you mean listen?" },
    { key: "http.deadline", source: `${file}:3`, expected: "unknown key; did you mean shutdown.deadline?" },
    { key: "http.max-body", source: `${file}:4`, expected: "unknown key; did you mean http.max_body?" },
    { key: "nowhere_near", source: `${file}:5`, expected: "unknown key" },
    { key: "shutdwn", source: `${file}:6`, expected: "unknown key; did you mean shutdown?" },
  ]);
});

test("PF-020 unknown variables of the prefix are refused by name, those that others own are not", () => {
  const env = { SIGNALBOX_LISTN: "x", SIGNALBOX_CONFIG: "f", PATH: "/bin", NOT_SIGNALBOX_X: "1" };
  expect(problemsOf({ env, otherVariables: ["SIGNALBOX_CONFIG"] })).toEqual([
    { key: "SIGNALBOX_LISTN", source: "SIGNALBOX_LISTN", expected: "unknown variable; did you mean SIGNALBOX_LISTEN?" },
  ]);
});

test("PF-020 unknown flags are refused by name", () => {
  expect(problemsOf({ flags: { lissten: "1", listen: undefined } })).toEqual([
    { key: "lissten", source: "--lissten", expected: "unknown key; did you mean listen?" },
  ]);
});

test("PF-020 unknown keys of list items and maps are refused by name", () => {
  writeFileSync(file, "auth:\n  issuers:\n    - isuer: https://id.example.test\n  timeouts: { logon: 5s }\n");
  expect(problemsOf({ file })).toEqual([
    { key: "auth.issuers[0].isuer", source: `${file}:3`, expected: "expected a known name; did you mean issuer?" },
    {
      key: "auth.issuers[0].issuer",
      source: `${file}:3`,
      expected: expect.stringMatching(/^expected a URL .* it is missing$/),
    },
    { key: "auth.timeouts.logon", source: `${file}:4`, expected: "expected a known name; did you mean login?" },
  ]);
});

test.each([
  ["SIGNALBOX_LISTEN", "localhost", "an address and port such as 127.0.0.1:8787"],
  ["SIGNALBOX_LISTEN", "127.0.0.1:70000", "an address and port such as 127.0.0.1:8787"],
  ["SIGNALBOX_TRANSPORT", "kafka", "one of sql, jetstream"],
  ["SIGNALBOX_HTTP_MAX_BODY", "2GiB", "a size such as 512KiB, 20MiB or 1GiB of at most 1GiB"],
  ["SIGNALBOX_HTTP_COMPRESS", "maybe", "true or false"],
  ["SIGNALBOX_SHUTDOWN_DEADLINE", "20", "a duration such as 15s, 5m or 28d of at least 1s"],
  ["SIGNALBOX_SHUTDOWN_DEADLINE", "10ms", "a duration such as 15s, 5m or 28d of at least 1s"],
  ["SIGNALBOX_SHUTDOWN_ATTEMPTS", "2.5", "a whole number from 1 to 9"],
  ["SIGNALBOX_SHUTDOWN_ATTEMPTS", "0x5", "a whole number from 1 to 9"],
  ["SIGNALBOX_SHUTDOWN_ATTEMPTS", "5e0", "a whole number from 1 to 9"],
  ["SIGNALBOX_SHUTDOWN_ATTEMPTS", "+5", "a whole number from 1 to 9"],
  ["SIGNALBOX_SHUTDOWN_ATTEMPTS", "5.0", "a whole number from 1 to 9"],
  ["SIGNALBOX_SHUTDOWN_ATTEMPTS", " 5", "a whole number from 1 to 9"],
  ["SIGNALBOX_SHUTDOWN_FACTOR", "NaN", "a number"],
  ["SIGNALBOX_PUBLIC_URL", "ftp://x", "a URL that starts with http:// or https:// without user name and password"],
  ["SIGNALBOX_AUTH_ISSUERS", "https://id", "a list of maps with issuer, audience, max_age"],
])("PF-020 %s=%s is refused with key, value, expected form and source", (variable, value, expected) => {
  const key = schema.variables.get(variable)?.path;
  expect(problemsOf({ env: { [variable]: value } })).toEqual([
    { key, source: variable, value: JSON.stringify(value), expected: `expected ${expected}` },
  ]);
});

test("PF-020 YAML values of the wrong type are refused, numbers that pass for text too", () => {
  writeFileSync(
    file,
    "data_dir: 007\nlisten: [1]\nhttp: text\nshutdown: { deadline: 15, attempts: '4x' }\nauth: { issuers: { a: 1 } }\n",
  );
  expect(problemsOf({ file }).map(({ key, value }) => [key, value])).toEqual([
    ["http", undefined],
    ["data_dir", '"7"'],
    ["listen", "a list"],
    ["shutdown.deadline", '"15"'],
    ["shutdown.attempts", '"4x"'],
    ["auth.issuers", "a map"],
  ]);
});

test("PF-020 every problem of every source is reported at once, also of values that another source overrides", () => {
  writeFileSync(file, "transport: kafka\nunknown_thing: 1\n");
  const error = errorOf({ file, env: { SIGNALBOX_TRANSPORT: "sql", SIGNALBOX_HTTP_COMPRESS: "maybe" } });
  expect(error).toMatchObject({ code: "CONFIG_INVALID", retryable: false });
  expect(error.message.split("\n")).toEqual([
    "The configuration is not valid (3 problems):",
    `- ${file}:2: unknown_thing: unknown key`,
    `- ${file}:1: transport is "kafka": expected one of sql, jetstream`,
    `- SIGNALBOX_HTTP_COMPRESS: http.compress is "maybe": expected true or false`,
  ]);
});

test("PF-020 a choice that a system lists among its errors tells that code, and has it when nothing else is wrong", () => {
  const coded = defineSchema({
    mode: setting.choice({ description: "M", choices: ["calm"], default: "calm", errorCode: "MODE_UNKNOWN" }),
    size: setting.integer({ description: "S", default: 1 }),
  });
  const alone = errorFrom(() => readConfig({ schema: coded, env: { SIGNALBOX_MODE: "wild" } }));
  expect(alone).toMatchObject({ code: "MODE_UNKNOWN", problems: [{ key: "mode", code: "MODE_UNKNOWN" }] });
  expect(alone.message).toContain('SIGNALBOX_MODE: mode is "wild": expected one of calm (MODE_UNKNOWN)');
  const both = errorFrom(() => readConfig({ schema: coded, env: { SIGNALBOX_MODE: "wild", SIGNALBOX_SIZE: "x" } }));
  expect(both.code).toBe("CONFIG_INVALID");
  expect(both.message).toContain("(MODE_UNKNOWN)");
});

test("PF-020 a required key that nobody sets is refused by name and variable", () => {
  const strict = defineSchema({
    smtp: section("Mail", { host: setting.string({ description: "H", required: true }) }),
  });
  expect(errorFrom(() => readConfig({ schema: strict })).problems).toEqual([
    { key: "smtp.host", source: "missing", expected: "text; set it in the file or as SIGNALBOX_SMTP_HOST" },
  ]);
});

test("PF-020 rules between keys are asked last and name the key to change", () => {
  const check: ReadConfigOptions<typeof schema>["check"] = (values) =>
    values.transport === "jetstream" && values.publicUrl === undefined
      ? [{ key: "public_url", expected: "a value when transport is jetstream" }]
      : [];
  expect(errorFrom(() => readConfig({ schema, check, env: { SIGNALBOX_TRANSPORT: "jetstream" } })).problems).toEqual([
    { key: "public_url", source: "default", expected: "a value when transport is jetstream" },
  ]);
  expect(readConfig({ schema, check }).values.transport).toBe("sql");
});

test("PF-020 a file that was asked for must exist, the usual one may be absent", () => {
  expect(problemsOf({ file })).toEqual([{ key: "", source: file, expected: "cannot be read (ENOENT)" }]);
  expect(readConfig({ schema, file: { path: file, optional: true } }).values.dataDir).toBe("./data");
  expect(problemsOf({ file: { path: folder, optional: true } })).toEqual([
    { key: "", source: folder, expected: "cannot be read (EISDIR)" },
  ]);
});

test("an empty file, an empty section and an empty variable say nothing", () => {
  writeFileSync(file, "# nothing yet\nhttp:\nlisten:\n");
  expect(readConfig({ schema, file, env: { SIGNALBOX_DATA_DIR: "" } }).values).toMatchObject({
    dataDir: "./data",
    listen: { port: 8787 },
  });
});

test("PF-020 a file that is no YAML is refused with its line, and never quoted", () => {
  writeFileSync(file, "data_dir: /a\ndata_dir: hunter2\nhttp: {\n");
  const problems = problemsOf({ file });
  expect(problems[0]).toEqual({ key: "", source: `${file}:2`, expected: "is no valid YAML (duplicate key)" });
  expect(JSON.stringify(problems)).not.toContain("hunter2");
  writeFileSync(file, `a: &a [x, x]\nb: &b [${"*a, ".repeat(50)}]\nc: [${"*b, ".repeat(50)}]\n`);
  expect(problemsOf({ file })[0]?.expected).toContain("aliases");
});

test("a key named __proto__ is an unknown key and changes nothing", () => {
  writeFileSync(file, "__proto__: { polluted: true }\nauth: { issuers: [{ __proto__: { issuer: x } }] }\n");
  expect(problemsOf({ file }).map(({ key }) => key)).toEqual([
    "__proto__",
    "auth.issuers[0].__proto__",
    "auth.issuers[0].issuer",
  ]);
  expect("polluted" in {}).toBe(false);
});

type Sources = Omit<ReadConfigOptions<typeof schema>, "schema">;

function errorOf(sources: Sources): ConfigError {
  return errorFrom(() => readConfig({ schema, ...sources }));
}

function problemsOf(sources: Sources): readonly ConfigProblem[] {
  return errorOf(sources).problems;
}

function errorFrom(read: () => unknown): ConfigError {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

function sourcesOf<S extends Schema>(config: ReturnType<typeof readConfig<S>>): Record<string, string> {
  return Object.fromEntries(config.settings.map(({ path, source }) => [path, describeSource(source)]));
}
