import { type PropertiesOf, section, setting } from "@signalbox/kernel";

const retentions = ["7", "14", "30", "60", "90", "180", "365"] as const;

const keys = {
  limits: section("What one request and one event may be.", {
    request_bytes: setting.size({ description: "A request as it is sent.", default: "100MiB", min: "1KiB" }),
    envelope_bytes: setting.size({ description: "An envelope after decompression.", default: "200MiB", min: "1KiB" }),
    event_bytes: setting.size({ description: "The payload of one event.", default: "1MiB", min: "1KiB" }),
    attachment_bytes: setting.size({ description: "One attachment.", default: "50MiB", min: "1KiB" }),
    attachments_per_event: setting.integer({ description: "Attachments of one event.", default: 30, min: 0 }),
    items_per_envelope: setting.integer({ description: "Items in one envelope.", default: 1000, min: 1 }),
  }),
  quota: section("How much may be sent.", {
    project_errors_per_minute: setting.integer({
      description: "Errors that a project without quotas of its own may send in a minute.",
      default: 300_000,
      min: 0,
    }),
  }),
  storm: section("Events of one kind that come in great numbers.", {
    keep_per_hour: setting.integer({
      description: "Events of one kind and hour that are all kept; of further ones all are counted and some are kept.",
      default: 10_000,
      min: 1,
    }),
  }),
  queue: section("Events that were accepted and wait to be stored.", {
    max_messages: setting.integer({
      description: "Waiting events beyond which clients are told to slow down.",
      default: 1_000_000,
      min: 1,
    }),
    max_bytes: setting.size({
      description: "Size of the waiting events beyond which clients are told to slow down.",
      default: "10GiB",
      min: "1MiB",
    }),
    max_wait: setting.duration({
      description:
        "How long events may wait until the queue has them, before clients are told to slow down. They are told that an event was lost that waits for 2 s.",
      default: "1500ms",
      min: "100ms",
      max: "2s",
    }),
    high_water: setting.integer({
      description: "Waiting events beyond which projects that send more than an equal share are held back.",
      default: 100_000,
      min: 1,
    }),
  }),
  digest: section("How waiting events are stored.", {
    batch_events: setting.integer({ description: "Events stored together.", default: 1000, min: 1, max: 1000 }),
    batch_bytes: setting.size({ description: "Size of the events stored together.", default: "16MiB", min: "64KiB" }),
    linger: setting.duration({
      description: "How long a batch waits for more events.",
      default: "500ms",
      min: "0s",
      max: "60s",
    }),
    concurrency: setting.integer({ description: "Batches at one time in one process.", default: 2, min: 1, max: 16 }),
  }),
  attachments: section("Files that come with events.", {
    enabled: setting.boolean({ description: "Whether they are kept; crashes need them.", default: true }),
  }),
  gitlab_token: setting.secret({
    description: "What GitLab sends in `Gitlab-Error-Tracking-Token` to read errors. Absent: the header means nothing.",
    minLength: 16,
  }),
  geo_database: setting.path({
    description:
      "A MaxMind database (.mmdb) by which country, region and city of users are told from their addresses. It is read at the start, once by each thread that prepares events.",
  }),
  dedup_days: setting.integer({
    description: "How long the ids of events are remembered, so that one sent again is not stored again.",
    unit: "days",
    default: 7,
    min: 1,
    max: 365,
  }),
  retention_days: setting.choice({
    description: "Days for which events are kept.",
    choices: retentions,
    default: "90",
  }),
  grouping: section("How events are grouped into errors.", {
    version: setting.integer({ description: "The algorithm of new projects.", default: 1, min: 1, max: 1 }),
    transition: setting.duration({
      description: "How long a project that changed its algorithm still finds errors by the one before.",
      default: "30d",
      min: "0s",
      max: "365d",
    }),
  }),
} as const;

/** The section `error_tracking` of the configuration. */
export const errorTrackingSection = section("Error tracking: what Sentry's SDKs send.", keys);

/** The values of the section. */
export type ErrorTrackingSettings = PropertiesOf<typeof keys>;
