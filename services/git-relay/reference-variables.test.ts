import { ConfigError, defineSchema, readConfig } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { relaySection } from "./config.js";
import { referenceVariables, warnOfReferenceVariables } from "./reference-variables.js";
import { recordingLogger } from "./testing/recording-logger.js";

const schema = defineSchema({ relay: relaySection });
const read = (env: Readonly<Record<string, string>>, flags = {}) =>
  readConfig({ schema, env, flags, aliases: referenceVariables }).values.relay;
const nsec = "1".repeat(64);

const env = {
  NGIT_BIND_ADDRESS: "127.0.0.1:8080",
  NGIT_DOMAIN: "git.example",
  NGIT_RELAY_NAME: "The relay",
  NGIT_RELAY_DESCRIPTION: "Of a project",
  NGIT_RELAY_OWNER_NSEC: nsec,
  NGIT_REPOSITORY_WHITELIST: "one,two",
  NGIT_REPOSITORY_BLACKLIST: "three",
  NGIT_EVENT_BLACKLIST: "npub1spam",
  NGIT_MAX_CONNECTIONS: "4096",
  NGIT_METRICS_CONNECTION_PER_IP_ABUSE_THRESHOLD: "20",
  NGIT_SYNC_BOOTSTRAP_RELAY_URL: "wss://relay.example",
  NGIT_SYNC_BASE_BACKOFF_SECS: "2",
  NGIT_SYNC_MAX_BACKOFF_SECS: "60",
  NGIT_SYNC_DISABLE_NEGENTROPY: "true",
  NGIT_REJECTED_HOT_CACHE_DURATION_SECS: "60",
  NGIT_REJECTED_COLD_INDEX_EXPIRY_SECS: "3600",
  NGIT_NAUGHTY_LIST_EXPIRATION_HOURS: "6",
};

test("GR-476 variables of the reference server set what they mean there", () => {
  expect(Object.keys(env).sort()).toEqual(Object.keys(referenceVariables).sort());
  const settings = read(env);
  expect(settings).toMatchObject({
    listen: { host: "127.0.0.1", port: 8080 },
    domain: "git.example",
    name: "The relay",
    description: "Of a project",
    policy: { repositories: ["one", "two"], blockedRepositories: ["three"], blockedAuthors: ["npub1spam"] },
    limits: { maxConnections: 4_096, abuseThreshold: 20 },
    sync: {
      bootstrapRelays: ["wss://relay.example"],
      baseBackoffS: 2,
      maxBackoffS: 60,
      negentropy: false,
      rejectedHotS: 60,
      rejectedColdS: 3_600,
      naughtyHours: 6,
    },
  });
  expect(settings.secretKey?.reveal()).toBe(nsec);
  expect(read({ NGIT_SYNC_DISABLE_NEGENTROPY: "false" }).sync.negentropy).toBe(true);
});

test("GR-476 our own variables and flags stand above them, and a wrong value is refused by the name it was given under", () => {
  expect(read({ NGIT_DOMAIN: "theirs.example", SIGNALBOX_RELAY_DOMAIN: "ours.example" }).domain).toBe("ours.example");
  expect(read({ NGIT_DOMAIN: "theirs.example" }, { "relay.domain": "flag.example" }).domain).toBe("flag.example");
  const wrong = (): unknown => read({ NGIT_MAX_CONNECTIONS: "many" });
  expect(wrong).toThrow(ConfigError);
  expect(wrong).toThrow(/NGIT_MAX_CONNECTIONS/);
});

test("GR-476 each is named in a warning with our key, and those that mean nothing here together in one", () => {
  const { logger, lines } = recordingLogger();
  warnOfReferenceVariables(
    { NGIT_DOMAIN: "x", NGIT_RELAY_OWNER_NSEC: nsec, NGIT_GIT_DATA_PATH: "/git", NGIT_LOG_LEVEL: "info", PATH: "/bin" },
    logger,
  );
  expect(lines.map(({ level, fields }) => ({ level, fields }))).toEqual([
    { level: "warn", fields: { variable: "NGIT_DOMAIN", key: "relay.domain" } },
    { level: "warn", fields: { variable: "NGIT_RELAY_OWNER_NSEC", key: "relay.secret_key" } },
    { level: "warn", fields: { variables: ["NGIT_GIT_DATA_PATH", "NGIT_LOG_LEVEL"] } },
  ]);
  expect(JSON.stringify(lines)).not.toContain(nsec);
  warnOfReferenceVariables({ PATH: "/bin" }, logger);
  expect(lines).toHaveLength(3);
});
