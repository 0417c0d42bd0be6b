import { defineSchema, listSettings, readConfig } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { relaySection } from "./config.js";
import { readRelaySettings } from "./testing/start-relay.js";

const schema = defineSchema({ relay: relaySection });

test("GR-475 the values of what nobody set", () => {
  const settings = readConfig({ schema }).values.relay;
  expect(settings).toMatchObject({
    profile: "grasp",
    limits: {
      maxMessageBytes: 1_048_576,
      maxEventBytes: 262_144,
      maxEventTags: 5_000,
      maxContentLength: 262_144,
      maxSubscriptions: 500,
      maxLimit: 500,
      defaultLimit: 500,
      maxFilters: 50,
      maxFilterValues: 2_000,
      maxFutureS: 900,
      maxCount: 1_000_000,
      requestsPerMinute: 600,
      maxConnections: 2_000,
      maxConnectionsPerIp: 0,
      abuseThreshold: 10,
    },
    auth: { restrictedReadKinds: [4, 1059] },
    policy: { blockedAuthors: [], repositories: [], blockedRepositories: [] },
    negentropy: { maxRecords: 1_000_000 },
    search: { enabled: false },
    housekeeping: { purgeTags: [] },
    metrics: { maxPeers: 500 },
    sync: {
      enabled: true,
      bootstrapRelays: [],
      baseBackoffS: 5,
      maxBackoffS: 3_600,
      batchWindowMs: 5_000,
      naughtyHours: 12,
      rejectedHotS: 120,
      rejectedColdS: 604_800,
      negentropy: true,
      maxPeers: 500,
      consolidateAbove: 70,
      persistHealth: true,
      allowPrivateTargets: false,
      allowedNetworks: [],
      selfAliases: [],
      extendedStatus: false,
    },
  });
  // The port decides about the domain, the profile about these.
  for (const absent of [settings.domain, settings.name, settings.verifyWorkers, settings.limits.eventsPerMinute])
    expect(absent).toBeUndefined();
});

test("GR-475 each key is a variable, too; lists have commas", () => {
  const settings = listSettings(schema);
  expect(settings.length).toBeGreaterThan(50);
  for (const { key, variable } of settings)
    expect(variable).toBe(`SIGNALBOX_${key.replaceAll(".", "_").toUpperCase()}`);
  const env = {
    SIGNALBOX_RELAY_POLICY_BLOCKED_AUTHORS: "one, two",
    SIGNALBOX_RELAY_SYNC_BASE_BACKOFF_S: "7",
    SIGNALBOX_RELAY_DOMAIN: "relay.example",
  };
  expect(readConfig({ schema, env }).values.relay).toMatchObject({
    domain: "relay.example",
    policy: { blockedAuthors: ["one", "two"] },
    sync: { baseBackoffS: 7 },
  });
});

test("GR-131 GR-477 an unknown profile refuses the start with its own code", () => {
  expect(() => readRelaySettings({ profile: "closed" })).toThrow(
    expect.objectContaining({ code: "RELAY_BAD_PROFILE", message: expect.stringContaining("one of grasp, open") }),
  );
});

test.each<[string, object]>([
  ["relay.limits.max_filters", { limits: { max_filters: 0 } }],
  ["relay.limits.max_filter_values", { limits: { max_filter_values: 2_001 } }],
  ["relay.sync.base_backoff_s", { sync: { base_backoff_s: 301 } }],
  ["relay.sync.batch_window_ms", { sync: { batch_window_ms: 49 } }],
  ["relay.limits.max_message_bytes", { limits: { max_message_bytes: "1KiB" } }],
  ["relay.auth.restricted_read_kinds", { auth: { restricted_read_kinds: "70000" } }],
  ["relay.profile", { profile: "closed" }],
  ["relay.limits.max_filtres", { limits: { max_filtres: 5 } }],
])("GR-475 %s out of range, or unknown, refuses the start by its name", (name, relay) => {
  expect(() => readRelaySettings(relay)).toThrow(new RegExp(name.replaceAll(".", "\\.")));
});
