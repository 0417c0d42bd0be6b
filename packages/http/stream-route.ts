import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { principalOf, requireScope } from "./access.js";
import { HttpProblem } from "./problems.js";
import { scopes } from "./scopes.js";
import { setSecurityHeaders } from "./security-headers.js";
import type { StreamConnection } from "./stream-client.js";
import type { KnownTopic } from "./stream-hub.js";

export interface StreamRouteOptions {
  readonly topics: ReadonlyMap<string, KnownTopic>;
  readonly maxClients: number;
  count(): number;
  open(connection: StreamConnection): void;
}

interface StreamQuery {
  readonly topics: string;
  readonly last_event_id?: string;
}

const example = 'id: Yk3v0Q1x.42\nevent: events.dead\ndata: {"dead":3}\n\n';
const queryParameters = {
  topics: {
    type: "string",
    minLength: 1,
    maxLength: 1000,
    description: "What to listen to, with commas between. The token needs the read scope of each.",
    examples: ["events.queues,events.dead"],
  },
  last_event_id: {
    type: "string",
    maxLength: 100,
    description: "As the header `Last-Event-ID`, for clients that cannot set it.",
    examples: ["Yk3v0Q1x.42"],
  },
} as const;

export function createStreamRoute(options: StreamRouteOptions): FastifyPluginAsync {
  return async (app) => {
    app.get<{ Querystring: StreamQuery }>(
      "/api/v1/stream",
      {
        config: { access: { scope: scopes }, errors: ["unavailable"] },
        schema: {
          summary: "Listen to changes",
          description: [
            "Server-sent events, one for each change, named after its topic. After `ready`, and after each change, the id",
            "can be given as `Last-Event-ID` to get what was missed; `reset` says that this is not known any more, so that",
            "everything should be read again. Comments come as a heartbeat.",
          ].join(" "),
          tags: ["stream"],
          querystring: { type: "object", required: ["topics"], properties: queryParameters },
          headers: {
            type: "object",
            properties: {
              "last-event-id": {
                type: "string",
                maxLength: 100,
                description: "Id of the last event that was seen.",
                examples: ["Yk3v0Q1x.42"],
              },
            },
          },
          response: {
            200: {
              description: "Changes, until either side ends it.",
              content: { "text/event-stream": { schema: { type: "string", examples: [example] } } },
            },
          },
        },
      },
      async (request, reply) => {
        const topics = checkTopics(request, options.topics);
        if (request.method === "HEAD") return reply.type("text/event-stream; charset=utf-8").send();
        if (options.count() >= options.maxClients)
          throw new HttpProblem("unavailable", { headers: { "retry-after": "30" } });
        listen(request, reply, topics, options);
        return reply;
      },
    );
  };
}

/** @throws {HttpProblem} 400 for a topic that there is not, 403 for one that the token may not listen to. */
function checkTopics(
  request: FastifyRequest<{ Querystring: StreamQuery }>,
  known: StreamRouteOptions["topics"],
): ReadonlySet<string> {
  const principal = principalOf(request);
  const names = new Set(request.query.topics.split(",").map((name) => name.trim()));
  for (const name of names) {
    const topic = known.get(name);
    if (topic === undefined)
      throw new HttpProblem("invalid_parameter", {
        errors: [
          {
            pointer: "/query/topics",
            code: "not_in_enum",
            message: `${JSON.stringify(name)} is no topic; there are ${[...known.keys()].join(", ")}`,
          },
        ],
      });
    requireScope(principal, topic.scopes);
  }
  return names;
}

function listen(
  request: FastifyRequest<{ Querystring: StreamQuery }>,
  reply: FastifyReply,
  topics: ReadonlySet<string>,
  options: StreamRouteOptions,
): void {
  const { server, query, headers } = request;
  const fromHeader = headers["last-event-id"];
  reply.headers({
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    // Proxies of the nginx family would gather answers otherwise.
    "x-accel-buffering": "no",
  });
  setSecurityHeaders(reply);
  reply.hijack();
  const response = reply.raw;
  // Small messages that should arrive now.
  response.socket?.setNoDelay(true);
  response.writeHead(200, toOutgoing(reply.getHeaders()));
  options.open({
    response,
    principal: principalOf(request),
    topics,
    lastEventId: typeof fromHeader === "string" ? fromHeader : query.last_event_id,
    shutdown: server.shutdown.signal,
    verifyAgain: () => server.verifyAgain(request),
  });
}

function toOutgoing(headers: ReturnType<FastifyReply["getHeaders"]>): Record<string, string | string[]> {
  const outgoing: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) outgoing[name] = Array.isArray(value) ? [...value] : String(value);
  return outgoing;
}
