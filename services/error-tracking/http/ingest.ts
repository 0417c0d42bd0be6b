import type { Blobs } from "@signalbox/blobs";
// Brings the properties that the server puts on requests.
import type {} from "@signalbox/http";
import {
  type Clock,
  type Logger,
  type Metrics,
  noMetrics,
  SignalboxError,
  silentLogger,
  systemClock,
} from "@signalbox/kernel";
import {
  formatRateLimits,
  type IngestRoute,
  type ItemType,
  parseClientInfo,
  parseIngestPath,
  parseProjectId,
} from "@signalbox/sentry-protocol";
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, FastifySchema } from "fastify";
import { type Acceptance, createAcceptor } from "../edge/accept.js";
import { createOutcomeCounter, type RecordOutcome } from "../edge/edge-outcomes.js";
import { defaultIngestLimits, type IngestLimits, unpublishedBytes } from "../edge/ingest-limits.js";
import type { KeyCache } from "../edge/key-cache.js";
import { createNotStoredLog } from "../edge/not-stored-log.js";
import type { EventPublisher } from "../edge/publish-event.js";
import { PublishLine } from "../edge/publish-line.js";
import type { QuotaWindows } from "../edge/quota-windows.js";
import { createRateLimiter, type FairShare, ledgerReason } from "../edge/rate-limiter.js";
import type { SdkUsage } from "../edge/sdk-usage.js";
import { crashDialog } from "./crash-dialog.js";
import { describeRoute } from "./describe-ingest.js";
import { createDoor, type EdgeRequest, type RequestAccount } from "./door.js";
import { corsHeaders, errorAnswer, pixel, toIngestError } from "./ingest-answers.js";
import { IngestError } from "./ingest-errors.js";
import { createIngestMetrics } from "./ingest-metrics.js";
import { discardRest } from "./read-body.js";
import { createReceiver } from "./receive.js";
import { createFeedbackReceiver } from "./receive-feedback.js";
import { createReportReceiver } from "./receive-reports.js";
import { createUploadReceiver } from "./receive-uploads.js";
import { createRefusalLog } from "./refusal-log.js";

export interface IngestOptions {
  readonly keys: KeyCache;
  readonly events: EventPublisher;
  /** Without it attachments are not kept. */
  readonly blobs?: Blobs;
  readonly limits?: Partial<IngestLimits>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** Where outcomes of items go that end here; the ledger. */
  readonly recordOutcome?: RecordOutcome;
  /** How much of the quotas is used. */
  readonly windows: QuotaWindows;
  /** Tells which projects get too much of the queue. */
  readonly share?: FairShare;
  /** Takes what requests tell of their SDKs. */
  readonly noteSdk?: SdkUsage["note"];
  /** True while the disk is too full to take anything. */
  readonly isDiskGuardActive?: () => boolean;
  /** True while it is too full to take attachments. */
  readonly isDiskLow?: () => boolean;
  /** How long events may wait for the event store before no more are taken. Default: 1,500. */
  readonly maxWaitMs?: number;
  /** Payloads that may wait for the event store at the same time. Default: 64 MiB. */
  readonly maxWaitingBytes?: number;
  /** How long a client may send nothing in the middle of a body. */
  readonly maxBodyIdleMs?: number;
}

/** What is noted when the headers of an ingest request are there. */
interface Arrival {
  /** Wall clock. */
  readonly atMs: number;
  readonly mediaType: string;
  readonly account: RequestAccount;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Null on all routes but those of ingest. */
    arrival: Arrival | null;
  }
}

/** Paths of the protocol's routes. The server cuts prefixes off before routing, see `rewriteIngestUrl`. */
const paths: readonly { readonly route: IngestRoute; readonly url: string }[] = [
  { route: "envelope", url: "/api/:project/envelope/" },
  { route: "store", url: "/api/:project/store/" },
  { route: "store", url: "/api/store/" },
  { route: "security", url: "/api/:project/security/" },
  { route: "security", url: "/api/:project/csp-report/" },
  { route: "minidump", url: "/api/:project/minidump/" },
  { route: "cron", url: "/api/:project/cron/:argument/" },
  { route: "cron", url: "/api/:project/cron/:argument/:key/" },
  { route: "attachments", url: "/api/:project/events/:argument/attachments/" },
  { route: "nel", url: "/api/:project/nel/" },
  { route: "unreal", url: "/api/:project/unreal/:key/" },
  { route: "otlp", url: "/api/:project/integration/otlp/v1/:argument/" },
  { route: "airbrake", url: "/api/v3/projects/:project/notices/" },
  { route: "user_feedback", url: "/api/0/projects/:organization/:argument/user-feedback/" },
  { route: "error_page", url: "/api/embed/error-page/" },
];

/** Less than an event is waited for at most, so that who is taken is not told otherwise. */
const defaultMaxWaitMs = 1_500;

const allMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/**
 * For the server's `rewriteUrl`: SDKs send to whatever path prefix their DSN has, with and without trailing slash. What is
 * no ingest path comes back unchanged.
 */
export function rewriteIngestUrl(url: string): string {
  const queryAt = url.indexOf("?");
  const path = queryAt < 0 ? url : url.slice(0, queryAt);
  const match = parseIngestPath(path);
  if (!match) return url;
  return queryAt < 0 ? match.canonical : match.canonical + url.slice(queryAt);
}

/**
 * The routes to which SDKs send. Reads bodies itself, whatever their media type, and answers in the protocol's own shape.
 * Register it on a server that has `rewriteIngestUrl` as its `rewriteUrl`.
 */
export function createIngest(options: IngestOptions): FastifyPluginAsync {
  const clock = options.clock ?? systemClock;
  const logger = (options.logger ?? silentLogger).child("ingest");
  const metrics = createIngestMetrics(options.metrics ?? noMetrics);
  const limits: IngestLimits = { ...defaultIngestLimits, ...options.limits };
  const recordOutcome = createNotStoredLog(
    logger,
    clock,
    createOutcomeCounter(options.metrics ?? noMetrics, options.recordOutcome),
  );
  const logRefusal = createRefusalLog(logger, clock);
  const { windows, share, isDiskGuardActive = () => false, isDiskLow = () => false } = options;
  const limiter = createRateLimiter({
    windows,
    clock,
    isDiskLow,
    ...(share === undefined ? {} : { share }),
    onRefused: (limit, category, quantity) => metrics.rateLimited(limit.scope, category, ledgerReason(limit), quantity),
  });
  const line = new PublishLine(clock, options.maxWaitMs ?? defaultMaxWaitMs);
  metrics.observeWait(() => line.waitedMs / 1000);
  const acceptor = createAcceptor({
    line,
    maxWaitingBytes: options.maxWaitingBytes ?? unpublishedBytes,
    events: options.events,
    blobs: options.blobs,
    limits,
    clock,
    logger,
    recordOutcome,
    limiter,
    onPublished: metrics.published,
  });
  const door = createDoor({
    keys: options.keys,
    acceptor,
    limits,
    clock,
    recordOutcome,
    isDiskGuardActive,
    isLineTooLong: () => line.isTooLong,
    maxBodyIdleMs: options.maxBodyIdleMs ?? 10_000,
    ...(options.noteSdk === undefined ? {} : { noteSdk: options.noteSdk }),
  });
  const receiver = createReceiver({ door, limits });
  const reports = createReportReceiver({ door, limits, recordOutcome });
  const uploads = createUploadReceiver({ door, limits });
  const feedback = createFeedbackReceiver(door);

  /** Tells the client which limits hold, and refuses what one of them has hit. */
  const tellLimits = (reply: FastifyReply, { limits, standing }: Acceptance): IngestError | undefined => {
    if (limits.length === 0 && standing.length === 0) return undefined;
    // What was hit stands still, unless its window ended meanwhile.
    const headers = formatRateLimits(standing.length === 0 ? limits : standing);
    // Without a limit that SDKs know they would take a refusal for one of everything.
    if (headers === null) return undefined;
    reply.header("x-sentry-rate-limits", headers.rateLimits);
    if (limits.length === 0) return undefined;
    return new IngestError("ET_RATE_LIMITED", { headers: { "retry-after": headers.retryAfter } });
  };

  /** The reason for the answer that keeps clients away longest: what concerns everybody comes first. */
  const problemOf = (reply: FastifyReply, acceptance: Acceptance): SignalboxError | undefined => {
    const limited = tellLimits(reply, acceptance);
    const { problem } = acceptance;
    return problem?.retryable ? problem : (limited ?? problem);
  };

  const answerId = (reply: FastifyReply, acceptance: Acceptance): FastifyReply => {
    const { eventId, wholeItems } = acceptance;
    const problem = problemOf(reply, acceptance);
    // Broken framing says nothing of what came before it.
    const causes = problem !== undefined && framingCodes.has(problem.code) ? [`Items kept: ${wholeItems}.`] : [];
    if (problem) return answerError(reply, problem, causes);
    return reply.type("application/json").send(eventId === undefined ? "{}" : `{"id":"${eventId}"}`);
  };

  /** Answers 503 where others are told to send less: a job that is not heard of is taken for one that failed. */
  const takeCheckIn: Handler = async (request, reply) => {
    const { checkInId, problem } = await reports.cron(edgeRequest(request, "cron")).catch(neverTooMany);
    if (problem) neverTooMany(problem);
    return reply
      .code(202)
      .type("application/json")
      .send(JSON.stringify({ id: checkInId }));
  };
  const neverTooMany = (cause: unknown): never => {
    if (!(cause instanceof SignalboxError) || cause.status !== 429) throw cause;
    throw new IngestError("ET_QUEUE_UNAVAILABLE", { cause, headers: { "retry-after": "60" } });
  };

  const handlers: Partial<Record<IngestRoute, Partial<Record<"GET" | "POST", Handler>>>> = {
    envelope: {
      POST: async (request, reply) => answerId(reply, await receiver.envelope(edgeRequest(request, "envelope"))),
    },
    store: {
      POST: async (request, reply) => answerId(reply, await receiver.store(edgeRequest(request, "store"))),
      GET: async (request, reply) => {
        const acceptance = await receiver.storeQuery(edgeRequest(request, "store"));
        const problem = problemOf(reply, acceptance);
        return problem ? answerError(reply, problem) : reply.type("image/gif").send(pixel);
      },
    },
    security: {
      POST: async (request, reply) => {
        const problem = problemOf(reply, await reports.security(edgeRequest(request, "security")));
        return problem ? answerError(reply, problem) : reply.send();
      },
    },
    minidump: {
      POST: async (request, reply) => {
        const acceptance = await uploads.minidump(edgeRequest(request, "minidump"));
        const problem = problemOf(reply, acceptance);
        if (problem) return answerError(reply, problem);
        return reply.type("text/plain; charset=utf-8").send(dashed(acceptance.eventId ?? ""));
      },
    },
    cron: { GET: takeCheckIn, POST: takeCheckIn },
    attachments: {
      POST: async (request, reply) => {
        const problem = problemOf(reply, await uploads.attachments(edgeRequest(request, "attachments")));
        return problem ? answerError(reply, problem) : reply.code(201).type("application/json").send("{}");
      },
    },
    nel: {
      POST: async (request, reply) => {
        await reports.skip(edgeRequest(request, "nel"), "nel");
        return reply.send();
      },
    },
    unreal: {
      POST: async (request, reply) => {
        const acceptance = await reports.unreal(edgeRequest(request, "unreal"));
        const problem = problemOf(reply, acceptance);
        if (problem) return answerError(reply, problem);
        return reply.type("text/plain; charset=utf-8").send(dashed(acceptance.crashId));
      },
    },
    otlp: {
      POST: async (request, reply) => {
        const edge = edgeRequest(request, "otlp");
        const itemType = signals.get(edge.argument ?? "");
        if (itemType === undefined) throw new IngestError("ET_ROUTE_UNKNOWN");
        await reports.skip(edge, itemType);
        // An empty answer says that everything was taken, in either form.
        const isJson = /^application\/json\b/i.test(edge.mediaType);
        return isJson ? reply.type("application/json").send("{}") : reply.type("application/x-protobuf").send();
      },
    },
    user_feedback: {
      POST: async (request, reply) => {
        const taken = await feedback.userFeedback(edgeRequest(request, "user_feedback"));
        const problem = problemOf(reply, taken);
        if (problem) return answerError(reply, problem);
        const { event_id: eventID, name, email, comments } = taken.report;
        return reply.type("application/json").send(JSON.stringify({ eventID, name, email, comments }));
      },
    },
    error_page: {
      GET: async (request, reply) => {
        await feedback.checkDialog(edgeRequest(request, "error_page"));
        const { query } = edgeRequest(request, "error_page");
        const sentTo = new URL(request.originalUrl, `${request.protocol}://${request.host}`);
        const target = new URLSearchParams({ dsn: query.get("dsn") ?? "", eventId: query.get("eventId") ?? "" });
        sentTo.search = target.toString();
        return reply.type("text/javascript; charset=utf-8").send(crashDialog(query, sentTo.href));
      },
      POST: async (request, reply) => {
        const taken = await feedback.dialog(edgeRequest(request, "error_page"));
        if ("missing" in taken) {
          const errors = Object.fromEntries(taken.missing.map((name) => [name, ["This field is required."]]));
          return reply.code(400).type("application/json").send(JSON.stringify({ errors }));
        }
        const problem = problemOf(reply, taken);
        return problem ? answerError(reply, problem) : reply.type("application/json").send("{}");
      },
    },
    airbrake: {
      POST: async (request, reply) => {
        const edge = edgeRequest(request, "airbrake");
        const acceptance = await reports.airbrake(edge);
        const problem = problemOf(reply, acceptance);
        if (problem) return answerError(reply, problem);
        const { eventId = "" } = acceptance;
        const url = `${request.protocol}://${request.host}/api/v1/projects/${edge.project}/errors/events/${eventId}`;
        return reply
          .code(201)
          .type("application/json")
          .send(JSON.stringify({ id: eventId, url }));
      },
    },
  };

  return async (app: FastifyInstance) => {
    app.decorateRequest("arrival", null);
    // The parsers of the server around must not touch these bodies.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _payload, done) => done(null));
    app.addHook("onRequest", (request, _reply, done) => {
      const account: RequestAccount = { keyId: undefined, client: undefined, sentBytes: 0, decodedBytes: 0 };
      request.arrival = { atMs: clock.nowMs(), mediaType: request.headers["content-type"] ?? "", account };
      // The framework refuses media types that it cannot read; here they hardly matter.
      delete request.headers["content-type"];
      done();
    });
    app.addHook("onSend", (request, reply, payload, done) => {
      reply.headers(corsHeaders);
      discardRest(request.raw);
      done(null, payload);
    });
    app.addHook("onResponse", (request, reply, done) => {
      const route = routes.get(request.routeOptions.url ?? "") ?? "other";
      metrics.requestDone(route, reply.statusCode, reply.elapsedTime / 1000);
      const { sentBytes = 0, decodedBytes = 0 } = request.arrival?.account ?? {};
      if (sentBytes > 0) metrics.requestBytes(route, sentBytes);
      if (decodedBytes > 0) metrics.envelopeBytes(route, decodedBytes);
      if (reply.statusCode < 400 && logger.isEnabled("debug"))
        logger.debug("ingest request accepted", { route, status: reply.statusCode, ...describe(request) });
      done();
    });
    app.setErrorHandler((error, _request, reply) => {
      const refusal = toIngestError(error);
      if (refusal.code === "ET_INTERNAL") logger.error("ingest request failed", { error });
      return answerError(reply, refusal);
    });

    for (const { route, url } of paths) {
      const handled = handlers[route] ?? {};
      const allow = ["OPTIONS", ...Object.keys(handled)].sort().join(", ");
      const shared = { url, exposeHeadRoute: false, config: { access: "protocol" } } as const;
      for (const [method, handler] of Object.entries(handled))
        app.route({ ...shared, method, schema: describeRoute(route, method), handler });
      app.route({
        ...shared,
        method: allMethods.filter((method) => !Object.hasOwn(handled, method)),
        schema: undocumented,
        handler: async (request, reply) => {
          if (request.method === "OPTIONS") return reply.code(204).header("allow", allow).send();
          if (Object.keys(handled).length === 0) throw new IngestError("ET_ROUTE_UNKNOWN");
          throw new IngestError("ET_METHOD_NOT_ALLOWED", { headers: { allow } });
        },
      });
    }
  };

  function answerError(reply: FastifyReply, error: SignalboxError, causes: readonly string[] = []): FastifyReply {
    const { status, headers, body } = errorAnswer(error, causes);
    const { request } = reply;
    if (error.code === "ET_BACKPRESSURE") metrics.rateLimited("organization", "error", "backpressure", 1);
    if (error.code === "ET_DISK_FULL") metrics.rateLimited("organization", "error", "disk", 1);
    logRefusal(error.code, () => ({ status, ...describe(request) }));
    return reply.code(status).headers(headers).type("application/json").send(JSON.stringify(body));
  }
}

const routes: ReadonlyMap<string, IngestRoute> = new Map(paths.map(({ route, url }) => [url, route]));

/** What a log may say of a request: sizes, and whose key it had, but neither the key nor an address. */
function describe({ arrival, headers }: FastifyRequest) {
  return {
    key_id: arrival?.account.keyId,
    client: arrival?.account.client ?? parseClientInfo(headers["user-agent"])?.name,
    request_bytes: arrival?.account.sentBytes || Number(headers["content-length"] ?? 0),
    envelope_bytes: arrival?.account.decodedBytes,
  };
}

const framingCodes: ReadonlySet<string> = new Set(["ET_ENVELOPE_MALFORMED", "ET_EVENT_TOO_LARGE", "ET_ITEMS_TOO_MANY"]);

const undocumented: FastifySchema & { readonly hide: true } = { hide: true };

/** What the signals of OpenTelemetry are called here. */
const signals: ReadonlyMap<string, ItemType> = new Map([
  ["traces", "span"],
  ["logs", "log"],
]);

function dashed(id: string): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function edgeRequest(request: FastifyRequest, route: IngestRoute): EdgeRequest {
  const { url, headers, raw, arrival } = request;
  if (!arrival) throw new IngestError("ET_INTERNAL");
  const queryAt = url.indexOf("?");
  const query = new URLSearchParams(queryAt < 0 ? "" : url.slice(queryAt + 1));
  return {
    route,
    account: arrival.account,
    raw,
    headers,
    mediaType: arrival.mediaType,
    query,
    project: projectOf(request.params),
    pathKey: parameterOf(request.params, "key") ?? (route === "airbrake" ? (query.get("key") ?? undefined) : undefined),
    argument: parameterOf(request.params, "argument"),
    receivedAtMs: arrival.atMs,
    clientAddress: request.clientAddress ?? request.ip,
    correlationId: request.correlationId || undefined,
  };
}

function projectOf(params: unknown): number | undefined {
  const project = parameterOf(params, "project");
  return project === undefined ? undefined : parseProjectId(project);
}

function parameterOf(params: unknown, name: string): string | undefined {
  if (typeof params !== "object" || params === null) return undefined;
  const value: unknown = Reflect.get(params, name);
  return typeof value === "string" ? value : undefined;
}
