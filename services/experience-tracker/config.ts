import { urgencies } from "@signalbox/experience/urgency";
import { type PropertiesOf, section, setting } from "@signalbox/kernel";

const keys = {
  definitions: setting.path({
    description: "Folder with one YAML file for each experience.",
    default: "config/covered_experiences",
  }),
  feature_categories: setting.path({
    description: "YAML list of feature categories; a definition with another one is invalid. Absent: all are taken.",
  }),
  producers: setting.path({
    description:
      "YAML list of who may send what, read again when it changes. Absent: every token with experience:write may send everything.",
  }),
  store: setting.choice({
    description: "Where the state of open runs is kept: the database, or the Redis of `redis_url`.",
    choices: ["sql", "redis"],
    default: "sql",
  }),
  redis_prefix: setting.string({
    description: "What every key in Redis begins with.",
    default: "sbx:exp",
    pattern: /^[A-Za-z0-9:_-]{1,64}$/,
    expected: "1 to 64 letters, digits, colons, hyphens and underscores",
  }),
  redis_shards: setting.integer({
    description: "Parts into which the state is split in Redis. Fixed once something is written.",
    default: 1,
    min: 1,
    max: 1024,
  }),
  redis_ack: setting.choice({
    description: "When Redis has a checkpoint for sure: on its disk, or in its memory only.",
    choices: ["disk", "memory"],
    default: "disk",
  }),
  types: setting.list(
    setting.string({
      description: "A component.",
      pattern: /^[a-z][a-z0-9_-]{0,31}$/,
      expected: "a lower-case name",
    }),
    {
      description: "Values of `type` that are metric labels; others count as `other`.",
      default: [
        "web",
        "api",
        "git",
        "internal-api",
        "sidekiq",
        "websockets",
        "ai-assisted",
        "worker",
        "database",
        "browser",
      ],
    },
  ),
  correlation_format: setting.choice({
    description: "`ulid` takes ULIDs, UUIDs and 32 hex digits as correlation ids, `relaxed` other short names too.",
    choices: ["ulid", "relaxed"],
    default: "ulid",
  }),
  unknown: setting.choice({
    description: "What happens to checkpoints of experiences without a definition.",
    choices: ["reject", "accept"],
    default: "reject",
  }),
  skew: setting.choice({
    description: "What happens to times more than a day back or a minute ahead.",
    choices: ["use_server", "reject"],
    default: "use_server",
  }),
  meta_keys: setting.list(setting.string({ description: "A name in `meta`, or `*`.", minLength: 1 }), {
    description: "Names that are kept of `meta`; `*` keeps all.",
    default: ["*"],
  }),
  discard_reasons: setting.list(
    setting.string({ description: "A reason.", pattern: /^[a-z][a-z0-9_]{0,63}$/, expected: "a snake_case name" }),
    {
      description: "Discard reasons that are metric labels; others count as `other`.",
      default: ["user_error", "configuration", "cancelled", "unspecified"],
    },
  ),
  timeouts: setting.map(setting.number({ description: "Seconds.", min: 0.001, max: 604_800 }), {
    description:
      "Timeouts in seconds by urgency, for definitions without their own, as `sync_fast=30,async_slow=3600`.",
    names: urgencies,
  }),
  late_start_grace_s: setting.integer({
    description: "How long a start that comes after its own deadline waits for its end.",
    unit: "s",
    default: 5,
    min: 0,
    max: 3600,
  }),
  missing_start_grace_s: setting.integer({
    description: "How long an end waits for its start.",
    unit: "s",
    default: 30,
    min: 0,
    max: 3600,
  }),
  recovery_grace_s: setting.integer({
    description: "How long nothing expires after the tracker was away, at most.",
    unit: "s",
    default: 30,
    min: 0,
    max: 3600,
  }),
  terminal_retention_s: setting.integer({
    description: "How long a run is remembered after its verdict.",
    unit: "s",
    default: 86_400,
    min: 3600,
    max: 31_536_000,
  }),
  reaper: setting.choice({
    description: "Whether this process closes overdue runs by itself; `off` leaves it to POST …/reaper/tick.",
    choices: ["on", "off"],
    default: "on",
  }),
  max_outbox: setting.integer({
    description: "Unpublished records beyond which checkpoints are refused.",
    default: 1_000_000,
    min: 1,
  }),
  canary_interval_s: setting.integer({
    description:
      "How often the tracker sends a journey to itself and looks whether it was measured; 0: never. See docs/how-to/monitor.md.",
    unit: "s",
    default: 60,
    min: 0,
    max: 86_400,
  }),
  history_days: setting.integer({
    description: "Days for which checkpoints and verdicts are kept in the analytics store.",
    unit: "days",
    default: 90,
    min: 29,
    max: 3650,
  }),
  metric_prefix: setting.choice({
    description: "What the names of the SLI metrics begin with; the id's label follows it.",
    choices: ["gitlab_covered_experience", "gitlab_user_experience"],
    default: "gitlab_covered_experience",
  }),
  sli_metrics: setting.choice({
    description: "`separate` keeps the SLI metrics out of `/metrics`; `/metrics/experience` always has them.",
    choices: ["inline", "separate"],
    default: "inline",
  }),
  max_series: setting.integer({
    description: "SLI series that are created before anything happened.",
    default: 20_000,
    min: 0,
  }),
  log_pii: setting.boolean({
    description: "Whether log lines carry `meta.user` and `meta.remote_ip`.",
    default: false,
  }),
  rate: setting.integer({ description: "Checkpoints of one producer each second, over time.", default: 1000, min: 1 }),
  burst: setting.integer({ description: "Checkpoints of one producer at once.", default: 5000, min: 1 }),
  cors_origins: setting.list(setting.url({ description: "An origin." }), {
    description: "Origins of web pages that may send checkpoints. Absent: none.",
    default: [],
  }),
  quarantine: setting.choice({
    description:
      "What becomes of producers most of whose checkpoints are odd: `off` reports them, `enforce` also records what they send without counting it.",
    choices: ["off", "enforce"],
    default: "off",
  }),
  journeys: setting.map(
    setting.objects({
      description: "The experiences of a journey.",
      minItems: 1,
      maxItems: 50,
      of: {
        id: setting.string({
          description: "An experience's id.",
          pattern: /^[a-z][a-z0-9_]{0,63}$/,
          expected: "the id of an experience",
          required: true,
        }),
        weight: setting.number({
          description: "How much it matters among the others.",
          min: 0.001,
          max: 1000,
          required: true,
        }),
      },
    }),
    {
      description:
        "Rows of reports that stand for several experiences, by name: ratios are means by `weight`. As `checkout: [{ id: pay, weight: 3 }]`.",
      default: {},
    },
  ),
  webhooks: setting.objects({
    description: "Addresses that are told of verdicts, each request signed and repeated for a day.",
    default: [],
    of: {
      name: setting.string({
        description: "Its own name; what waits to be sent is kept under it.",
        pattern: /^[a-z][a-z0-9_]{0,31}$/,
        expected: "a snake_case name of at most 32 characters",
        required: true,
      }),
      url: setting.secretUrl({
        description: "Where to. Addresses that are not public must be listed in `egress.allow_private`.",
        protocols: ["http", "https"],
        required: true,
      }),
      secret: setting.secret({
        description: "Key of the signature in `X-Signalbox-Signature`.",
        minLength: 16,
        required: true,
      }),
      on: setting.list(
        setting.choice({
          description: "An event.",
          choices: [
            "experience.completed",
            "experience.failed",
            "experience.timed_out",
            "experience.discarded",
            "experience.orphaned",
          ],
        }),
        {
          description: "Events that it is told of.",
          default: ["experience.failed", "experience.timed_out"],
          minItems: 1,
        },
      ),
      experiences: setting.list(setting.string({ description: "An experience's id.", minLength: 1 }), {
        description: "Experiences that it is told of. Empty: all but the server's own.",
        default: [],
      }),
      min_interval_s: setting.integer({
        description: "It is told of one experience at most once in this time; what was left out is counted.",
        unit: "s",
        default: 300,
        min: 0,
        max: 86_400,
      }),
    },
  }),
  tenant_claim: setting.string({
    description: "Claim of a token that names its tenant. Absent: there is one tenant, `default`.",
    minLength: 1,
  }),
} as const;

/** The section `experience` of the configuration. */
export const experienceSection = section("Covered experiences: journeys, and those that never end.", keys);

/** The values of the section. */
export type ExperienceSettings = PropertiesOf<typeof keys>;
