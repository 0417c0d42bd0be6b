import { errorTrackingSection } from "@signalbox/error-tracking/config";
import { experienceSection } from "@signalbox/experience-tracker/config";
import { relaySection } from "@signalbox/git-relay/config";
import { referenceVariables } from "@signalbox/git-relay/reference-variables";
import { scopes } from "@signalbox/http/scopes";
import {
  type Config,
  type ConfigOf,
  defineSchema,
  describeConfig,
  isAllowListEntry,
  readConfig,
  section,
  setting,
} from "@signalbox/kernel";

/** Every key of `signalbox.yaml`. Keys of a service stand in the section that the service declares. */
export const configSchema = defineSchema({
  data_dir: setting.path({
    description: "Directory of the embedded stores, of blobs and of the key that signs tokens.",
    default: "./data",
  }),
  listen: setting.listen({
    description:
      "Address of ingest and API. Absent: the port in the variable `PORT`, if there is one, on all addresses.",
    default: "127.0.0.1:8787",
  }),
  metrics_listen: setting.listen({
    description: "Address of `/metrics` and of the health checks, kept away from the public one.",
    default: "127.0.0.1:9464",
  }),
  public_url: setting.url({
    description: "Address under which clients reach `listen`; stands in DSNs and links. Absent: the listen address.",
  }),
  database_url: setting.secretUrl({
    description: "PostgreSQL for projects, issues and the queue. Absent: a SQLite file in the data directory.",
    protocols: ["postgres", "postgresql"],
  }),
  clickhouse_url: setting.secretUrl({
    description: "ClickHouse for events. Absent: chDB inside this process, in the data directory.",
  }),
  nats_url: setting.secretUrl({
    description: "NATS server with JetStream, for the transport of that name.",
    protocols: ["nats", "tls"],
  }),
  redis_url: setting.secretUrl({
    description: "Redis with an append-only file, for the transport `bullmq` and whatever else is told to use Redis.",
    protocols: ["redis", "rediss"],
  }),
  transport: setting.choice({
    description:
      "What carries domain events: `sql` is the database above, `jetstream` the NATS server, `bullmq` the Redis server.",
    choices: ["sql", "jetstream", "bullmq"],
    default: "sql",
  }),
  log: section("What the server writes to standard output.", {
    level: setting.choice({
      description: "The least important lines that are written.",
      choices: ["debug", "info", "warn", "error", "silent"],
      default: "info",
    }),
    format: setting.choice({
      description: "JSON lines, lines for people, or whichever suits: `auto` is `pretty` on a terminal, else `json`.",
      choices: ["auto", "json", "pretty"],
      default: "auto",
    }),
    redact: setting.list(setting.string({ description: "A field's name.", minLength: 1 }), {
      description: "Names of further fields that hold personal data: their values are not logged, in any line.",
      default: [],
    }),
  }),
  http: section("How `listen` treats its clients.", {
    trusted_proxies: setting.list(setting.string({ description: "An address or a network.", minLength: 2 }), {
      description: "Addresses and networks of proxies whose `X-Forwarded-For` is believed.",
      default: ["127.0.0.0/8", "::1"],
    }),
    headers_timeout: setting.duration({
      description: "How long a client may take for the headers of a request.",
      default: "10s",
      min: "1s",
    }),
    request_timeout: setting.duration({
      description: "How long a client may take for a whole request.",
      default: "60s",
      min: "1s",
    }),
    keep_alive_timeout: setting.duration({
      description: "How long a connection stays open between two requests.",
      default: "65s",
      min: "1s",
    }),
    rate_limits: section("Limits of the API; ingest has quotas of its own.", {
      address_per_second: setting.number({
        description: "Requests of one address, over time.",
        default: 200,
        min: 1,
      }),
      address_burst: setting.integer({ description: "Requests of one address, at once.", default: 1000, min: 1 }),
      token_per_second: setting.number({ description: "Requests with one token, over time.", default: 100, min: 1 }),
      token_burst: setting.integer({ description: "Requests with one token, at once.", default: 500, min: 1 }),
    }),
  }),
  auth: section("Who may use the API. Tokens of `signalbox token create` are always accepted.", {
    audience: setting.string({
      description: "What a token's `aud` must contain.",
      default: "signalbox",
      minLength: 1,
    }),
    issuers: setting.objects({
      description: "OpenID Connect issuers whose tokens are accepted too.",
      default: [],
      of: {
        issuer: setting.url({ description: "Exactly as in `iss` and in the discovery document.", required: true }),
        audience: setting.list(setting.string({ description: "An accepted `aud`." }), {
          description: "What `aud` must contain, instead of `auth.audience`.",
          minItems: 1,
        }),
        scope_claim: setting.string({
          description: "Name of the claim that says what a token allows, or its path with dots.",
          default: "scope",
        }),
        scope_mapping: setting.map(
          setting.list(setting.choice({ description: "A scope.", choices: scopes }), { description: "Scopes." }),
          { description: "Which scopes each value of the claim stands for. Absent: values are scopes." },
        ),
        client_id: setting.string({
          description:
            "Name of the dashboard at the issuer; with it people log in there, by authorization code with PKCE. The address " +
            "to come back to is `/api/v1/session/login/callback` below `public_url`.",
        }),
        client_secret: setting.secret({ description: "For issuers that want one beside PKCE." }),
        label: setting.string({ description: "What the button of the login says. Default: the issuer's host." }),
        login_scope: setting.string({ description: "What the login asks the issuer for.", default: "openid" }),
      },
    }),
  }),
  egress: section("Requests to addresses that people configure, as webhooks are.", {
    allow_private: setting.list(
      setting.string({
        description: "An address, a network, a host name, or `*.` and a domain.",
        accepts: isAllowListEntry,
        expected: "an address, a network, a host name, or *. and a domain",
      }),
      { description: "What may be called although it is not public.", default: [] },
    ),
  }),
  events: section("The event store.", {
    slots: setting.integer({ description: "Handler calls at once in one process.", default: 64, min: 1, max: 10_000 }),
    lease_ms: setting.integer({
      description: "How long a delivery belongs to a process that gives no sign of life.",
      unit: "ms",
      default: 10_000,
      min: 100,
      max: 3_600_000,
    }),
    max_crashes: setting.integer({
      description:
        "Crashes of the process, while it handled one delivery alone, after which that delivery is given up.",
      default: 3,
      min: 1,
      max: 100,
    }),
    poll_ms: setting.integer({
      description: "How often deliveries of other processes, and those that fall due, are looked for.",
      unit: "ms",
      default: 100,
      min: 10,
      max: 60_000,
    }),
    partitions: setting.integer({
      description: "Queues over which keys are spread with `transport: jetstream`; it is fixed while deliveries wait.",
      default: 16,
      min: 1,
      max: 256,
    }),
    publish_dedup_window_ms: setting.integer({
      description: "How long a publish can be repeated without a second delivery.",
      unit: "ms",
      default: 120_000,
      min: 1000,
      max: 3_600_000,
    }),
    max_inline_bytes: setting.integer({
      description: "Larger encoded events go to the blob store.",
      unit: "bytes",
      default: 262_144,
      min: 1024,
      max: 1_073_741_824,
    }),
    max_event_bytes: setting.integer({
      description: "Larger encoded events are refused.",
      unit: "bytes",
      default: 16_777_216,
      min: 1024,
      max: 1_073_741_824,
    }),
    max_pending_publishes: setting.integer({
      description: "Publishes of one process that may wait at once.",
      default: 10_000,
      min: 1,
      max: 10_000_000,
    }),
    group_batch_size: setting.integer({
      description: "Groups of one publish that are due at the same time.",
      default: 100,
      min: 1,
      max: 1_000_000,
    }),
    group_batch_gap_ms: setting.integer({
      description: "Time between two such batches of groups.",
      unit: "ms",
      default: 10_000,
      min: 1,
      max: 86_400_000,
    }),
    group_base_delay_ms: setting.integer({
      description: "When the first batch of groups is due, if there are several.",
      unit: "ms",
      default: 1000,
      min: 1,
      max: 86_400_000,
    }),
    outbox_poll_ms: setting.integer({
      description: "How often what transactions have published is looked for, beside what is announced.",
      unit: "ms",
      default: 500,
      min: 10,
      max: 3_600_000,
    }),
    outbox_max_lag_ms: setting.integer({
      description: "How long it may wait for the transport before the server counts as not ready.",
      unit: "ms",
      default: 300_000,
      min: 1000,
      max: 86_400_000,
    }),
    inbox_retention_ms: setting.integer({
      description: "How long it is remembered that a handler has done its work once.",
      unit: "ms",
      default: 604_800_000,
      min: 1000,
      max: 31_536_000_000,
    }),
    log: setting.choice({
      description: "What is logged about events: everything, failures only, or nothing.",
      choices: ["all", "failures", "off"],
      default: "all",
    }),
    tracing: setting.choice({
      description: "Whether handling begins a trace that is linked to that of the publish, or is a child of it.",
      choices: ["link", "parent"],
      default: "link",
    }),
    dispatch_log_days: setting.integer({
      description: "How long it is kept who got what, and what became of it.",
      unit: "days",
      default: 30,
      min: 1,
      max: 3650,
    }),
    dead_retention_days: setting.integer({
      description: "Dead letters expire after this time.",
      unit: "days",
      default: 30,
      min: 1,
      max: 3650,
    }),
    max_replays: setting.integer({
      description: "How often a dead letter is replayed without being forced.",
      default: 3,
      min: 1,
      max: 1000,
    }),
    log_data: setting.boolean({ description: "Whether log lines carry the data of events.", default: true }),
    type_prefix: setting.string({
      description: "Reverse domain name in front of every event type on the wire.",
      default: "dev.signalbox",
      pattern: /^[a-z0-9]+([.-][a-z0-9]+)*$/,
      expected: "a reverse domain name such as org.example",
    }),
    jetstream: section("The stream that carries domain events with `transport: jetstream`.", {
      max_bytes: setting.size({
        description: "What the stream may hold; publishing beyond is refused until some of it is handled.",
        default: "10GiB",
        min: "1MiB",
      }),
      replicas: setting.integer({
        description: "Servers of a NATS cluster that hold each delivery.",
        default: 1,
        min: 1,
        max: 5,
      }),
    }),
    bullmq: section("The queues that carry domain events with `transport: bullmq`.", {
      prefix: setting.string({
        description:
          "What the keys of all queues begin with; servers that share a Redis but no events need different ones.",
        default: "signalbox",
        pattern: /^[A-Za-z0-9_-]{1,100}$/,
        expected: "letters, digits, _ and -, at most 100",
      }),
      allow_volatile: setting.boolean({
        description: "Whether a Redis without append-only file is taken: what was acknowledged is lost when it ends.",
        default: false,
      }),
    }),
  }),
  storage: section("The disk of the data directory.", {
    min_free: setting.size({
      description: "Below this much free space nothing new is taken in. Absent: 1 GiB or 5 % of the disk, the smaller.",
      min: "1MiB",
    }),
  }),
  relay: relaySection,
  error_tracking: errorTrackingSection,
  experience: experienceSection,
  shutdown: section("How the server stops.", {
    deadline: setting.duration({
      description: "How long work under way may take after SIGTERM before it is handed back.",
      default: "20s",
      min: "1s",
      max: "10m",
    }),
  }),
});

export type ServerConfig = ConfigOf<typeof configSchema>;

/** Variable with the path of the configuration file; `--config` stands above it. */
const configFileVariable = "SIGNALBOX_CONFIG";
const defaultConfigFile = "signalbox.yaml";

/** Variables of others that stand in for keys of ours. Platforms that run containers say by `PORT` where they look for one. */
const standIns = {
  ...referenceVariables,
  PORT: { key: "listen", translate: (raw: string) => `0.0.0.0:${raw}` },
};

export interface ConfigSources {
  /** Path that was asked for; the file must exist then. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By path of the key, as `data_dir`. */
  readonly flags: Readonly<Record<string, string | undefined>>;
}

/** @throws {ConfigError} naming every wrong key and value of all sources. */
export function readServerConfig({ file, env, flags }: ConfigSources): Config<typeof configSchema> {
  const wanted = file ?? (env[configFileVariable] || undefined);
  return readConfig({
    schema: configSchema,
    file: wanted ?? { path: defaultConfigFile, optional: true },
    env,
    flags,
    otherVariables: [configFileVariable],
    aliases: standIns,
  });
}

/** `docs/configuration.md`. */
export function configurationReference(): string {
  return [
    "# Configuration",
    "",
    "Generated by `npm run docs` from the schema in the code.",
    "",
    `Later sources win: defaults, \`${defaultConfigFile}\` in the working directory (or the file of \`--config\` or`,
    `\`${configFileVariable}\`), variables, flags. Unknown keys are refused. \`signalbox config print\` shows what is in force and`,
    "where each value comes from. A secret may be given as `file:PATH`. Variables `NGIT_…` of the server `ngit-grasp` stand in",
    "for the keys of the same meaning, below all other sources; so does `PORT` for the port of `listen`.",
    "",
    describeConfig(configSchema),
  ].join("\n");
}
