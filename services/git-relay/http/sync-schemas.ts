const peerUrl = "wss://relay.example";
const eventId = "4376c65d2f232afbe9b882a35baa4f6fe8667c4e684749af565f981833ed6a65";
const time = { type: "string", format: "date-time" } as const;
const timeOrNull = { type: ["string", "null"], format: "date-time" } as const;
const textOrNull = { type: ["string", "null"] } as const;
const count = { type: "integer", minimum: 0 } as const;
const countOrNull = { type: ["integer", "null"], minimum: 0 } as const;
const truth = { type: "boolean" } as const;
const texts = { type: "array", items: { type: "string" } } as const;

export const peerParameter = {
  type: "string",
  maxLength: 1000,
  description: "Address of the peer, percent-encoded.",
  examples: [peerUrl],
} as const;

export const eventIdParameter = {
  type: "string",
  pattern: "^[0-9a-f]{64}$",
  description: "Id of the event.",
  examples: [eventId],
} as const;

const statuses = [
  "disconnected",
  "connecting",
  "syncing",
  "connected",
  "connected_with_failures",
  "disconnecting",
] as const;
const healthStates = ["healthy", "disconnected", "degraded", "dead", "rate_limited"] as const;
const layerNames = ["announcements", "states", "repositories", "roots"] as const;

function all<const Properties extends Readonly<Record<string, object>>>(properties: Properties, description?: string) {
  return {
    type: "object",
    required: Object.keys(properties),
    properties,
    ...(description !== undefined && { description }),
  } as const;
}

function orNull<Schema extends { readonly type: "object" }>(schema: Schema) {
  return { ...schema, type: ["object", "null"] } as const;
}

function ofEach<const Name extends string>(names: readonly Name[], schema: object) {
  return all(Object.fromEntries(names.map((name) => [name, schema])));
}

const items = all({ repos: count, root_events: count });
const failure = { kind: { type: "string" }, code: { type: "string" }, message: { type: "string" } } as const;

const peerProperties = {
  url: { type: "string", description: "Its one spelling." },
  status: { type: "string", enum: statuses, description: "What the connection is for at the moment." },
  health: { type: "string", enum: healthStates },
  is_bootstrap: { ...truth, description: "Configured, whatever the announcements say." },
  failures: { ...count, description: "Since the last success." },
  last_failure: orNull(all({ at: time, ...failure })),
  next_attempt_at: { ...timeOrNull, description: "Null: connected, or at once." },
  last_connected: timeOrNull,
  disconnected_at: timeOrNull,
  announcements_synced: truth,
  historic_sync_completed: truth,
  historic_sync_completed_at: timeOrNull,
  historic_sync_had_failures: truth,
  last_success_at: { ...timeOrNull, description: "When a historic batch was last confirmed." },
  wanted: { ...items, description: "What should be synced from it." },
  confirmed: { ...items, description: "What is proven synced." },
  complete: {
    ...ofEach(layerNames, { type: ["boolean", "null"] }),
    description: "What the newest certificate of each layer says; null where there is none.",
  },
  certified_at: {
    ...ofEach(layerNames, timeOrNull),
    description: "When the newest certificate of each layer was issued.",
  },
  events_here: {
    ...ofEach(layerNames, countOrNull),
    description: "Events of each layer that are stored here, as the newest certificate says.",
  },
  negentropy_unsupported: orNull(all({ until: time, reason: { type: "string" } })),
  naughty: orNull(
    all(
      { category: { type: "string" }, since: time, until: time },
      "A mistake that does not pass by itself; it is tried once an hour at most.",
    ),
  ),
  live_subscriptions: count,
  undecided_events: { ...count, description: "Read, and not decided yet." },
  pending_batches: {
    type: "array",
    items: all({
      batch_id: { type: "string" },
      layer: { type: "string", enum: layerNames },
      method: { type: "string", enum: ["negentropy", "req_eose"] },
      items: count,
      age_s: count,
      retries: count,
      failed: truth,
      pages: count,
      received: count,
      ids_asked: count,
      ids_seen: count,
    }),
  },
} as const;

export const peerSchema = all(peerProperties);

const certificate = all({
  at: time,
  method: { type: "string", enum: ["negentropy", "req_eose"] },
  proof: { type: "string", enum: ["negentropy", "pages"] },
  complete: truth,
  incomplete_reason: textOrNull,
  local_count: count,
  remote_missing: { ...countOrNull, description: "Events that only we have; null when the method does not tell." },
  missing_here: count,
  excluded: all({ held: count, rejected: count, refused: count, expired: count }),
  filters_hash: { type: "string" },
});

export const transitionSchema = all({
  kind: { type: "string", enum: ["transition", "notice"] },
  at: time,
  from: textOrNull,
  to: textOrNull,
  cause: { type: "string", description: "Why, or what the peer had to say." },
});

const detailProperties = {
  certificates: {
    ...ofEach(layerNames, { type: "array", items: certificate }),
    description: "The last 30 of each layer, the newest first.",
  },
  transitions: { type: "array", items: transitionSchema, description: "The last 100, the newest first." },
} as const;

const elsewhere = "Absent when another process syncs.";
export const peerDetailSchema = {
  ...all({ ...peerProperties, ...detailProperties }),
  properties: {
    ...peerProperties,
    ...detailProperties,
    repos: { ...texts, description: `Addresses of repositories that are proven synced. ${elsewhere}` },
    root_events: { ...texts, description: `Ids of root events that are proven synced. ${elsewhere}` },
  },
};

export const statusSchema = all({
  profile: { type: "string", enum: ["grasp", "open"] },
  domain: { type: "string" },
  url: { type: "string" },
  uptime_s: { type: ["number", "null"], minimum: 0, description: "Null: the relay runs in another process." },
  sync_enabled: truth,
  peers: all({
    total: count,
    completely_synced: { ...count, description: "Fully connected, and nothing says that something is missing." },
    by_status: ofEach(statuses, count),
    by_health: ofEach(healthStates, count),
  }),
  over_limit: {
    ...texts,
    description: "Peers that announcements name and that are left out, because there are too many.",
  },
  refused_targets: { ...texts, description: "Peers whose addresses may not be called." },
  waiting: orNull(
    all(
      { events: count, oldest_age_s: { type: ["number", "null"], minimum: 0 } },
      "Events of peers that only lack their relation to a repository; null when the relay runs in another process.",
    ),
  ),
  queues: all({ undecided_events: count, pending_batches: count }),
});

export const heldSchema = all({
  event_id: { type: "string" },
  kind: { type: "integer" },
  author: { type: "string", description: "npub" },
  created_at: { ...time, description: "As the author says." },
  state: { type: "string", enum: ["waiting"] },
  peer: textOrNull,
  since: time,
  until: time,
  waits_for: { ...texts, description: "Ids and addresses that it refers to." },
});

export const explanationSchema = all({
  event_id: { type: "string" },
  findings: {
    type: "array",
    description: "What is true of it, the most telling first.",
    items: {
      type: "object",
      required: ["state", "fix"],
      properties: {
        state: { type: "string", enum: ["stored", "waiting", "rejected", "deleted", "expired"] },
        fix: { type: "string", description: "What to do about it." },
        kind: { type: "integer" },
        since: time,
        until: time,
        source: { type: "string", enum: ["client", "sync", "git"] },
        peer: { type: "string" },
        correlation_id: { type: "string" },
        waits_for: texts,
        reason: { type: "string", enum: ["does_not_list_service", "maintainer_not_yet_valid", "other"] },
        message: { type: "string" },
        deletion_id: { type: "string" },
      },
    },
  },
});

export const repairBodySchema = {
  type: "object",
  additionalProperties: false,
  required: ["relay"],
  properties: {
    relay: { type: "string", minLength: 1, maxLength: 1000, description: "Address of the peer to sync anew." },
    dry_run: { type: "boolean", default: false, description: "Only says what would be done." },
  },
  examples: [{ relay: peerUrl, dry_run: true }],
} as const;

export const repairSchema = all({
  relay: { type: "string" },
  dry_run: truth,
  actions: { ...texts, description: "What was done, or would be." },
});

export const retrySchema = all({
  relay: { type: "string" },
  action: {
    type: "string",
    enum: ["connect", "fetch", "nothing"],
    description: "Connect, fetch what had failed, or nothing, since it waits for nothing.",
  },
});

export const retryExample = { relay: peerUrl, action: "connect" };

const now = "2026-03-01T09:30:00.000Z";

export const peerExample = {
  url: peerUrl,
  status: "syncing",
  health: "healthy",
  is_bootstrap: false,
  failures: 0,
  last_failure: null,
  next_attempt_at: null,
  last_connected: now,
  disconnected_at: null,
  announcements_synced: true,
  historic_sync_completed: false,
  historic_sync_completed_at: null,
  historic_sync_had_failures: false,
  last_success_at: now,
  wanted: { repos: 12, root_events: 240 },
  confirmed: { repos: 12, root_events: 200 },
  complete: { announcements: true, states: true, repositories: null, roots: null },
  certified_at: { announcements: now, states: now, repositories: null, roots: null },
  events_here: { announcements: 12, states: 3, repositories: null, roots: null },
  negentropy_unsupported: null,
  naughty: null,
  live_subscriptions: 6,
  undecided_events: 3,
  pending_batches: [
    {
      batch_id: "7",
      layer: "roots",
      method: "negentropy",
      items: 40,
      age_s: 2,
      retries: 0,
      failed: false,
      pages: 0,
      received: 120,
      ids_asked: 300,
      ids_seen: 120,
    },
  ],
};

export const transitionExample = {
  kind: "transition",
  at: now,
  from: "connecting",
  to: "syncing",
  cause: "connected",
};

export const peerDetailExample = {
  ...peerExample,
  repos: ["30617:7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e:signalbox"],
  root_events: [eventId],
  certificates: {
    announcements: [
      {
        at: now,
        method: "negentropy",
        proof: "negentropy",
        complete: true,
        incomplete_reason: null,
        local_count: 12,
        remote_missing: 0,
        missing_here: 0,
        excluded: { held: 0, rejected: 31, refused: 0, expired: 0 },
        filters_hash: "8f14e45fceea167a",
      },
    ],
    states: [],
    repositories: [],
    roots: [],
  },
  transitions: [transitionExample],
};

export const statusExample = {
  profile: "grasp",
  domain: "relay.example",
  url: "wss://relay.example",
  uptime_s: 86_400,
  sync_enabled: true,
  peers: {
    total: 1,
    completely_synced: 0,
    by_status: {
      disconnected: 0,
      connecting: 0,
      syncing: 1,
      connected: 0,
      connected_with_failures: 0,
      disconnecting: 0,
    },
    by_health: { healthy: 1, disconnected: 0, degraded: 0, dead: 0, rate_limited: 0 },
  },
  over_limit: [],
  refused_targets: [],
  waiting: { events: 2, oldest_age_s: 12 },
  queues: { undecided_events: 3, pending_batches: 1 },
};

export const heldExample = {
  event_id: eventId,
  kind: 1621,
  author: "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg",
  created_at: now,
  state: "waiting",
  peer: peerUrl,
  since: now,
  until: now,
  waits_for: ["30617:7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e:signalbox"],
};

export const explanationExample = {
  event_id: eventId,
  findings: [
    {
      state: "rejected",
      reason: "maintainer_not_yet_valid",
      message: "invalid: author is not a maintainer",
      peer: peerUrl,
      since: now,
      until: "2026-03-08T09:30:00.000Z",
      fix: "Publish an announcement of the repository that lists its author among the maintainers; it is then fetched by itself.",
    },
  ],
};

export const repairExample = {
  relay: peerUrl,
  dry_run: true,
  actions: ["forget 3 failures and try at once", "forget that it cannot reconcile", "sync everything anew"],
};
