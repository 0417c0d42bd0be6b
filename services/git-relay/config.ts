import { type PropertiesOf, section, setting } from "@signalbox/kernel";

const keys = {
  listen: setting.listen({
    description: "Address of the relay: WebSocket and its description for clients.",
    default: "127.0.0.1:7334",
  }),
  domain: setting.string({
    description:
      "Host under which clients reach the relay, with port and path if there are any; announcements have to list it. Absent: the listen address.",
    minLength: 1,
  }),
  name: setting.string({ description: "Name that clients show. Absent: the domain with `git relay` after it." }),
  description: setting.string({
    description: "One sentence for people who look for a relay.",
    default: "A Nostr relay for git collaboration",
  }),
  contact: setting.string({ description: "How to reach the operator, as `mailto:` or another URI." }),
  pubkey: setting.string({ description: "The operator's public key, as `npub1…` or hex." }),
  profile: setting.choice({
    description: "What is accepted: `grasp` what concerns announced repositories, `open` every valid event.",
    choices: ["grasp", "open"],
    default: "grasp",
    errorCode: "RELAY_BAD_PROFILE",
  }),
  secret_key: setting.secret({
    description: "The relay's own key, as hex or `nsec1…`. Absent: made on first start and kept in the data directory.",
  }),
  verify_workers: setting.integer({
    description: "Threads that check signatures. Absent: one less than there are cores, at least one.",
    min: 1,
    max: 64,
  }),
  verify_engine: setting.choice({
    description:
      "What checks signatures: `wasm` is libsecp256k1 as it comes with Signalbox; `auto` calls the libsecp256k1 of the machine, several times as fast, where there is one (Debian: `libsecp256k1-1`).",
    choices: ["wasm", "auto"],
    default: "wasm",
  }),
  auth: section("How clients prove their keys.", {
    challenge_on_connect: setting.boolean({
      description: "Whether clients are asked right away. Absent: only with the profile `open`.",
    }),
    restricted_read_kinds: setting.list(setting.integer({ description: "A kind of event.", min: 0, max: 65_535 }), {
      description: "Kinds that only their author and the keys they are addressed to may read.",
      default: [4, 1059],
    }),
  }),
  policy: section("What is refused, and what is accepted, beyond the profile.", {
    blocked_authors: setting.list(setting.string({ description: "`npub1…` or hex." }), {
      description: "Authors whose events are refused.",
      default: [],
    }),
    repositories: setting.list(setting.string({ description: "`npub1…`, `npub1…/identifier` or `identifier`." }), {
      description: "The repositories that may be announced here. Empty: all.",
      default: [],
    }),
    blocked_repositories: setting.list(
      setting.string({ description: "`npub1…`, `npub1…/identifier` or `identifier`." }),
      { description: "Repositories that may not be announced here, whatever else says so.", default: [] },
    ),
    module: setting.path({
      description:
        "An ES module whose `decide(event, context)` may refuse events that nothing else refuses. Absent: there is none.",
    }),
    module_budget_ms: setting.integer({
      description: "How long the module may take for one event; beyond that the sender is told to try again.",
      unit: "ms",
      default: 50,
      min: 1,
      max: 10_000,
    }),
  }),
  authority: section("Who speaks for a repository.", {
    mode: setting.choice({
      description:
        "`listed`: whoever a maintainer lists; `reciprocal`: only if their own announcement also lists a maintainer.",
      choices: ["listed", "reciprocal"],
      default: "listed",
    }),
  }),
  limits: section("What one client, one message and one event may be.", {
    max_message_bytes: setting.size({ description: "A message of a client.", default: "1MiB", min: "4KiB" }),
    max_event_bytes: setting.size({ description: "The text of one event.", default: "256KiB", min: "1KiB" }),
    max_event_tags: setting.integer({ description: "Tags of one event.", default: 5000, min: 1 }),
    max_content_length: setting.integer({
      description: "Characters in the content of one event.",
      default: 262_144,
      min: 1,
    }),
    max_future_s: setting.integer({
      description: "How far ahead of our clock the time of an event may be.",
      unit: "seconds",
      default: 900,
      min: 0,
    }),
    max_subscriptions: setting.integer({ description: "Open subscriptions of a connection.", default: 500, min: 1 }),
    max_live_filters: setting.integer({
      description: "Filters of all open subscriptions; 20 values in the lists of one count as one more.",
      default: 50_000,
      min: 1,
    }),
    max_live_filters_per_ip: setting.integer({
      description: "The same for all connections of one address (IPv6: of one /64); 0: no limit of its own.",
      default: 10_000,
      min: 0,
    }),
    max_filters: setting.integer({ description: "Filters of one request.", default: 50, min: 1, max: 1000 }),
    max_filter_values: setting.integer({
      description: "Values in the lists of one filter.",
      default: 2000,
      min: 1,
      max: 2000,
    }),
    max_limit: setting.integer({ description: "Stored events for one filter.", default: 500, min: 1, max: 5000 }),
    default_limit: setting.integer({
      description: "Stored events for one filter that names no limit.",
      default: 500,
      min: 1,
      max: 5000,
    }),
    max_count: setting.integer({ description: "How far COUNT counts.", default: 1_000_000, min: 1 }),
    events_per_minute: setting.integer({
      description:
        "Events of a connection, over time and at once; 0: no limit. Absent: 600, or 0 with the profile `open`.",
      min: 0,
    }),
    requests_per_minute: setting.integer({
      description: "Requests of a connection, over time and at once; 0: no limit.",
      default: 600,
      min: 0,
    }),
    max_outbox_bytes: setting.size({
      description:
        "What may wait to be sent to all clients together. Beyond it, those are closed that have had most waiting for longest.",
      default: "64MiB",
      min: "1MiB",
    }),
    max_connections: setting.integer({ description: "Open connections.", default: 2000, min: 1 }),
    max_connections_per_ip: setting.integer({
      description: "Open connections of one address; 0: no limit.",
      default: 0,
      min: 0,
    }),
    abuse_threshold: setting.integer({
      description: "Open connections beyond which an address is reported.",
      default: 10,
      min: 1,
    }),
  }),
  negentropy: section("Reconciliation of sets of events.", {
    max_records: setting.integer({ description: "Events in one set.", default: 1_000_000, min: 1 }),
  }),
  search: section("Words in filters (NIP-50).", {
    enabled: setting.boolean({
      description:
        "Whether clients may search. Nothing is kept for it: each search reads what meets the filter's other conditions, at most 20,000 events.",
      default: false,
    }),
  }),
  housekeeping: section("What is tidied up.", {
    purge_tags: setting.list(setting.string({ description: "A tag's name.", minLength: 1 }), {
      description: "Events with such a tag, whatever its value, end two hours after their time.",
      default: [],
    }),
  }),
  sync: section("Events of the other relays that announcements name.", {
    enabled: setting.boolean({ description: "Whether they are fetched at all.", default: true }),
    bootstrap_relays: setting.list(
      setting.string({ description: "Address of a relay, as `wss://relay.example.org`." }),
      {
        description: "Relays to sync from, whatever the announcements say.",
        default: [],
      },
    ),
    self_aliases: setting.list(setting.string({ description: "A host, with port where it is not the default one." }), {
      description: "Further hosts under which this relay is reached, so that it does not connect to itself.",
      default: [],
    }),
    base_backoff_s: setting.integer({
      description: "How long a connection may take, and the first wait after a failure; each further one doubles it.",
      unit: "seconds",
      default: 5,
      min: 1,
      max: 300,
    }),
    max_backoff_s: setting.integer({
      description: "The longest wait between two attempts.",
      unit: "seconds",
      default: 3600,
      min: 1,
      max: 86_400,
    }),
    batch_window_ms: setting.integer({
      description: "How long new events are gathered before what they lead to is asked for.",
      unit: "milliseconds",
      default: 5000,
      min: 50,
      max: 600_000,
    }),
    negentropy: setting.boolean({
      description: "Whether history is reconciled with peers that can; else it is read in pages.",
      default: true,
    }),
    max_peers: setting.integer({
      description: "Relays to sync from, at most; those that most repositories name are taken.",
      default: 500,
      min: 1,
      max: 10_000,
    }),
    consolidate_above: setting.integer({
      description: "Live subscriptions at one relay above which they are gathered into fewer.",
      default: 70,
      min: 4,
      max: 10_000,
    }),
    persist_health: setting.boolean({
      description: "Whether failures of other relays are remembered over a restart.",
      default: true,
    }),
    naughty_hours: setting.integer({
      description: "How long a relay with a wrong name, certificate or protocol is called only once an hour.",
      unit: "hours",
      default: 12,
      min: 1,
      max: 720,
    }),
    rejected_hot_s: setting.integer({
      description:
        "How long refused announcements and states are kept as a whole, in case something makes them acceptable.",
      unit: "seconds",
      default: 120,
      min: 0,
      max: 3600,
    }),
    rejected_cold_s: setting.integer({
      description: "How long it is remembered that they were refused, so that they are not fetched again.",
      unit: "seconds",
      default: 604_800,
      min: 0,
      max: 31_536_000,
    }),
    allow_private_targets: setting.boolean({
      description: "Whether relays with addresses of private networks, and of this machine, are called, too.",
      default: false,
    }),
    allowed_networks: setting.list(setting.string({ description: "As `10.0.0.0/8`." }), {
      description: "Networks whose relays are called although they are not public.",
      default: [],
    }),
    extended_status: setting.boolean({
      description: "Whether the metric of the connection tells failed batches (4) and leaving (5) apart.",
      default: false,
    }),
  }),
  metrics: section("What the metrics of the relay show.", {
    max_peers: setting.integer({ description: "Relays with series of their own.", default: 500, min: 0, max: 10_000 }),
  }),
} as const;

/** The section `relay` of the configuration. */
export const relaySection = section("Git relay: Nostr events of git collaboration.", keys);

/** The values of the section. */
export type RelaySettings = PropertiesOf<typeof keys>;
