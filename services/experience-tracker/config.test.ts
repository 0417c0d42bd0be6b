import { describe, expect, test } from "vitest";
import type { ExperienceSettings } from "./config.js";
import { settingsOf } from "./testing/start-tracker.js";

const prefix = "SIGNALBOX_EXPERIENCE_";

interface Row {
  readonly key: keyof ExperienceSettings;
  readonly variable: string;
  readonly standard: unknown;
  /** What a variable says, and what becomes of it. */
  readonly given: string;
  readonly read: unknown;
  /** What no variable may say. */
  readonly refused?: string;
}

const row = (
  key: Row["key"],
  variable: string,
  standard: unknown,
  given: string,
  read: unknown,
  refused?: string,
): Row => ({ key, variable, standard, given, read, ...(refused !== undefined && { refused }) });

function expectRows(rows: readonly Row[]): void {
  const standards = settingsOf({});
  for (const { key, variable, standard, given, read, refused } of rows) {
    expect([variable, standards[key]]).toEqual([variable, standard]);
    expect([variable, settingsOf({ [prefix + variable]: given })[key]]).toEqual([variable, read]);
    if (refused !== undefined)
      expect(() => settingsOf({ [prefix + variable]: refused }), `${variable}=${refused}`).toThrow(variable);
  }
}

describe("settings of the tracker, by their variables", () => {
  test("XP-790 where definitions, feature categories and producers are", () => {
    expectRows([
      row("definitions", "DEFINITIONS", "config/covered_experiences", "/etc/journeys", "/etc/journeys"),
      row("featureCategories", "FEATURE_CATEGORIES", undefined, "/etc/categories.yml", "/etc/categories.yml"),
      row("producers", "PRODUCERS", undefined, "/etc/producers.yml", "/etc/producers.yml"),
    ]);
  });

  test("XP-791 where state is kept", () => {
    expectRows([
      row("store", "STORE", "sql", "redis", "redis", "memory"),
      row("redisPrefix", "REDIS_PREFIX", "sbx:exp", "other", "other", "no spaces"),
      row("redisShards", "REDIS_SHARDS", 1, "16", 16, "0"),
      row("redisAck", "REDIS_ACK", "disk", "memory", "memory", "never"),
    ]);
  });

  test("XP-792 the types that are labels", () => {
    const standard = "web,api,git,internal-api,sidekiq,websockets,ai-assisted,worker,database,browser".split(",");
    expectRows([row("types", "TYPES", standard, "web,ci", ["web", "ci"], "No Type")]);
  });

  test("XP-793 what is taken of payloads", () => {
    const reasons = ["user_error", "configuration", "cancelled", "unspecified"];
    expectRows([
      row("correlationFormat", "CORRELATION_FORMAT", "ulid", "relaxed", "relaxed", "uuid"),
      row("unknown", "UNKNOWN", "reject", "accept", "accept", "ignore"),
      row("skew", "SKEW", "use_server", "reject", "reject", "accept"),
      row("metaKeys", "META_KEYS", ["*"], "project,user", ["project", "user"]),
      row("discardReasons", "DISCARD_REASONS", reasons, "cancelled", ["cancelled"], "Not a name"),
    ]);
  });

  test("XP-794 times after which something is given up", () => {
    expectRows([
      row("timeouts", "TIMEOUTS", undefined, "sync_fast=20,async_slow=60", { sync_fast: 20, async_slow: 60 }, "soon=1"),
      row("lateStartGraceS", "LATE_START_GRACE_S", 5, "0", 0, "-1"),
      row("missingStartGraceS", "MISSING_START_GRACE_S", 30, "60", 60, "-1"),
      row("recoveryGraceS", "RECOVERY_GRACE_S", 30, "0", 0, "-1"),
      row("terminalRetentionS", "TERMINAL_RETENTION_S", 86_400, "3600", 3600, "3599"),
    ]);
  });

  test("XP-796 how metrics and log lines look", () => {
    expectRows([
      row(
        "metricPrefix",
        "METRIC_PREFIX",
        "gitlab_covered_experience",
        "gitlab_user_experience",
        "gitlab_user_experience",
        "x",
      ),
      row("sliMetrics", "SLI_METRICS", "inline", "separate", "separate", "both"),
      row("maxSeries", "MAX_SERIES", 20_000, "0", 0, "-1"),
      row("logPii", "LOG_PII", false, "true", true, "maybe"),
    ]);
  });
});
