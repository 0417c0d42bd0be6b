import { decodeCursor, HttpProblem, linkHeader, pageOf, pageParameters } from "@signalbox/http";
import { decodeNpub, encodeNpub, type MaintainerSet } from "@signalbox/nostr";
import type { FastifyInstance, FastifyPluginAsync } from "fastify";
import { relayErrors } from "../errors.js";
import type { Conversation, Repositories, Repository, RepositoryDetail } from "../repositories.js";
import type { EventPosition } from "../store/port.js";
import {
  authoritySchema,
  detailExample,
  detailSchema,
  identifierParameter,
  npubParameter,
  repositoryExample,
  repositorySchema,
} from "./api-schemas.js";
import { type ReviewApiOptions, registerReviewRoute } from "./review-api.js";
import { registerSyncRoutes, type SyncApiOptions } from "./sync-api.js";

export interface RelayApiOptions extends SyncApiOptions, ReviewApiOptions {
  readonly repositories: Repositories;
}

interface RepositoryParams {
  readonly npub: string;
  readonly identifier: string;
}

/** What the relay knows, for the dashboard and other programs. */
export function createRelayApi(options: RelayApiOptions): FastifyPluginAsync {
  return async (app) => {
    await app.register(
      async (scoped) => {
        registerRepositoryRoutes(scoped, options);
        registerSyncRoutes(scoped, options);
        registerReviewRoute(scoped, options);
      },
      { prefix: "/api/v1/relay" },
    );
  };
}

function registerRepositoryRoutes(app: FastifyInstance, { repositories }: Pick<RelayApiOptions, "repositories">): void {
  app.get<{ Querystring: { limit: number; cursor?: string } }>("/repositories", {
    config: { access: { scope: "relay:read" }, errors: ["invalid_cursor", "unavailable"] },
    schema: {
      summary: "List the announced repositories",
      tags: ["relay"],
      querystring: { type: "object", properties: pageParameters },
      response: {
        200: {
          description: "Repositories, the last announced first.",
          content: {
            "application/json": {
              schema: { type: "array", items: repositorySchema },
              examples: { repositories: { value: [repositoryExample] } },
            },
          },
        },
      },
    },
    async handler(request, reply) {
      const { limit, cursor } = request.query;
      const after = cursor === undefined ? undefined : toPosition(decodeCursor(cursor, isPosition));
      const page = pageOf(await repositories.list(limit, after), limit, ({ position }) => [
        position.createdAt,
        position.id,
      ]);
      const link = linkHeader(request.url, limit, page);
      if (link !== undefined) reply.header("link", link);
      return page.items.map(showRepository);
    },
  });

  const find = async ({ npub, identifier }: RepositoryParams): Promise<RepositoryDetail> => {
    const pubkey = decodeNpub(npub);
    const found = pubkey === undefined ? undefined : await repositories.find(pubkey, identifier);
    if (!found) throw new HttpProblem("relay_repository_unknown", relayErrors.entries.relay_repository_unknown);
    return found;
  };
  const params = {
    type: "object",
    required: ["npub", "identifier"],
    properties: { npub: npubParameter, identifier: identifierParameter },
  } as const;
  const errors = ["relay_repository_unknown", "unavailable"];

  app.get<{ Params: RepositoryParams }>("/repositories/:npub/:identifier", {
    config: { access: { scope: "relay:read" }, errors },
    schema: {
      summary: "Show a repository with its maintainers, state and conversations",
      tags: ["relay"],
      params,
      response: {
        200: {
          description: "What the stored events say about it.",
          content: { "application/json": { schema: detailSchema, examples: { repository: { value: detailExample } } } },
        },
      },
    },
    handler: async (request) => showDetail(await find(request.params)),
  });

  app.get<{ Params: RepositoryParams }>("/repositories/:npub/:identifier/authority", {
    config: { access: { scope: "relay:read" }, errors },
    schema: {
      summary: "Show who may move the refs of a repository, and through whom",
      tags: ["relay"],
      params,
      response: {
        200: {
          description: "Members with the keys that admit them, and those who are invited only.",
          content: {
            "application/json": {
              schema: authoritySchema,
              examples: { authority: { value: detailExample.authority } },
            },
          },
        },
      },
    },
    handler: async (request) => showAuthority((await find(request.params)).maintainers),
  });
}

function isPosition(value: unknown): value is [number, string] {
  return Array.isArray(value) && value.length === 2 && Number.isSafeInteger(value[0]) && typeof value[1] === "string";
}

function toPosition([createdAt, id]: [number, string]): EventPosition {
  return { createdAt, id };
}

function showRepository({ announcement, npub, ownerName }: Repository) {
  const { identifier, address, name, description, clone, relays, web, createdAt, id } = announcement;
  return {
    npub,
    owner_name: ownerName ?? null,
    identifier,
    address,
    name: name ?? null,
    description: description ?? null,
    clone: [...clone],
    relays: [...relays],
    web: [...web],
    announced_at: isoTime(createdAt),
    event_id: id,
  };
}

function showDetail(detail: RepositoryDetail) {
  const { state, conversations, maintainers } = detail;
  return {
    ...showRepository(detail),
    authority: showAuthority(maintainers),
    state: state
      ? {
          event_id: state.id,
          author: encodeNpub(state.pubkey),
          created_at: isoTime(state.createdAt),
          head: state.head ?? null,
          refs: [...state.refs].map(([name, target]) => ({ name, target })),
        }
      : null,
    conversations: conversations.map(showConversation),
  };
}

function showConversation({ id, kind, subject, author, createdAt, status, commit }: Conversation) {
  return {
    event_id: id,
    kind,
    subject,
    author: encodeNpub(author),
    created_at: isoTime(createdAt),
    status,
    ...(commit !== undefined && { commit }),
  };
}

function showAuthority({ members, invited, skipped }: MaintainerSet) {
  return {
    members: [...members].map(([key, chain]) => ({ npub: encodeNpub(key), through: chain.map(encodeNpub) })),
    invited: [...invited].map(([key, by]) => ({ npub: encodeNpub(key), by: by.map(encodeNpub) })),
    skipped: [...skipped],
  };
}

/** Authors may claim any time; what no calendar holds is shown as its end. */
function isoTime(seconds: number): string {
  return new Date(Math.min(seconds, 253_402_300_799) * 1_000).toISOString();
}
