const npubExample = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";
const eventIdExample = "4376c65d2f232afbe9b882a35baa4f6fe8667c4e684749af565f981833ed6a65";

export const npubParameter = {
  type: "string",
  maxLength: 100,
  description: "The owner's public key.",
  examples: [npubExample],
} as const;

export const identifierParameter = {
  type: "string",
  minLength: 1,
  maxLength: 256,
  description: "The repository's identifier, percent-encoded.",
  examples: ["signalbox"],
} as const;

const texts = { type: "array", items: { type: "string" } } as const;
const nullableText = { type: ["string", "null"] } as const;
const time = { type: "string", format: "date-time" } as const;
const eventId = { type: "string", pattern: "^[0-9a-f]{64}$" } as const;

export const repositorySchema = {
  type: "object",
  required: [
    "npub",
    "owner_name",
    "identifier",
    "address",
    "name",
    "description",
    "clone",
    "relays",
    "web",
    "announced_at",
    "event_id",
  ],
  properties: {
    npub: { type: "string", description: "The owner." },
    owner_name: { ...nullableText, description: "As the owner's profile says; null where the relay has none." },
    identifier: { type: "string" },
    address: { type: "string", description: "As other events name it." },
    name: nullableText,
    description: nullableText,
    clone: texts,
    relays: texts,
    web: texts,
    announced_at: { ...time, description: "As the owner says." },
    event_id: eventId,
  },
} as const;

export const authoritySchema = {
  type: "object",
  required: ["members", "invited", "skipped"],
  properties: {
    members: {
      type: "array",
      description: "Keys whose states may move the refs; the owner comes first.",
      items: {
        type: "object",
        required: ["npub", "through"],
        properties: {
          npub: { type: "string" },
          through: { ...texts, description: "From the owner to the key itself." },
        },
      },
    },
    invited: {
      type: "array",
      description: "Listed by a member, without being one.",
      items: { type: "object", required: ["npub", "by"], properties: { npub: { type: "string" }, by: texts } },
    },
    skipped: { ...texts, description: "What stands among the maintainers and is no key." },
  },
} as const;

const stateSchema = {
  type: ["object", "null"],
  required: ["event_id", "author", "created_at", "head", "refs"],
  properties: {
    event_id: eventId,
    author: { type: "string" },
    created_at: time,
    head: nullableText,
    refs: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "target"],
        properties: { name: { type: "string" }, target: { type: "string" } },
      },
    },
  },
} as const;

const conversationSchema = {
  type: "object",
  required: ["event_id", "kind", "subject", "author", "created_at", "status"],
  properties: {
    event_id: eventId,
    kind: { type: "string", enum: ["issue", "patch", "pull_request"] },
    subject: { type: "string" },
    author: { type: "string" },
    created_at: time,
    status: { type: "string", enum: ["open", "applied", "closed", "draft"] },
    commit: { type: "string", description: "What a pull request proposes." },
  },
} as const;

export const detailSchema = {
  type: "object",
  required: [...repositorySchema.required, "authority", "state", "conversations"],
  properties: {
    ...repositorySchema.properties,
    authority: authoritySchema,
    state: { ...stateSchema, description: "What the refs should be, as the newest state of a member says." },
    conversations: { type: "array", items: conversationSchema, description: "Newest first, at most 100." },
  },
} as const;

export const repositoryExample = {
  npub: npubExample,
  owner_name: "Ada",
  identifier: "signalbox",
  address: "30617:7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e:signalbox",
  name: "Signalbox",
  description: "The event backbone of a software forge",
  clone: [`https://relay.example/${npubExample}/signalbox.git`],
  relays: ["wss://relay.example"],
  web: [],
  announced_at: "2026-03-01T09:30:00.000Z",
  event_id: eventIdExample,
};

export const detailExample = {
  ...repositoryExample,
  authority: { members: [{ npub: npubExample, through: [npubExample] }], invited: [], skipped: [] },
  state: {
    event_id: eventIdExample,
    author: npubExample,
    created_at: "2026-03-02T10:00:00.000Z",
    head: "refs/heads/main",
    refs: [{ name: "refs/heads/main", target: "9fceb02d0ae598e95dc970b74767f19372d61af8" }],
  },
  conversations: [
    {
      event_id: eventIdExample,
      kind: "issue",
      subject: "It hangs",
      author: npubExample,
      created_at: "2026-03-02T11:00:00.000Z",
      status: "open",
    },
  ],
};
