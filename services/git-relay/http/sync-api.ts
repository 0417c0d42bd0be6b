import { decodeCursor, HttpProblem, linkHeader, pageOf, pageParameters, principalOf } from "@signalbox/http";
import type { Clock, Logger } from "@signalbox/kernel";
import { encodeNpub, readReferences } from "@signalbox/nostr";
import type { FastifyInstance } from "fastify";
import type { EventIntake } from "../accept-event.js";
import { relayErrors } from "../errors.js";
import type { EventExplainer, EventFinding } from "../explain-event.js";
import type { ReadablePeerStore } from "../peers/peer-store.js";
import { readPeerUrl } from "../peers/peer-url.js";
import type { PeerViews } from "../peers/peer-views.js";
import type { TransitionLog } from "../peers/transition-log.js";
import type { SyncEngine } from "../sync/options.js";
import type { ConnectionStatus, HealthState, PeerSnapshot } from "../sync/snapshot.js";
import type { RelaySync } from "../sync-service.js";
import type { WaitingEvent } from "../waiting-room.js";
import {
  isCompletelySynced,
  isoTime,
  layers,
  type ShownPeer,
  showCertificate,
  showHappening,
  showPeer,
} from "./show-peer.js";
import {
  eventIdParameter,
  explanationExample,
  explanationSchema,
  heldExample,
  heldSchema,
  peerDetailExample,
  peerDetailSchema,
  peerExample,
  peerParameter,
  peerSchema,
  repairBodySchema,
  repairExample,
  repairSchema,
  retryExample,
  retrySchema,
  statusExample,
  statusSchema,
  transitionExample,
  transitionSchema,
} from "./sync-schemas.js";

/** The relay in this process. */
export interface RunningRelay {
  readonly eventIntake: EventIntake;
  /** Absent: it is switched off. */
  readonly sync: RelaySync | undefined;
  readonly url: string;
  readonly startedAtMs: number;
}

export interface SyncApiOptions {
  readonly explainer: EventExplainer;
  /** Absent: the relay runs in another process. */
  readonly relay: RunningRelay | undefined;
  readonly profile: "grasp" | "open";
  /** Where clients reach the relay, as it is configured. */
  readonly url: string;
  readonly syncEnabled: boolean;
  readonly certificates: Pick<ReadablePeerStore, "certificates">;
  readonly transitions: Pick<TransitionLog, "list">;
  /** What the process that syncs sees; nothing when none does. */
  readViews(): Promise<PeerViews | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const maxTransitions = 100;
const time = { type: "string", format: "date-time", examples: ["2026-03-01T09:30:00Z"] } as const;
const read = { scope: "relay:read" } as const;
const admin = { scope: "relay:admin" } as const;

/** Routes about the sync with peers, below `/api/v1/relay`. */
export function registerSyncRoutes(app: FastifyInstance, options: SyncApiOptions): void {
  const { explainer, clock, logger } = options;
  /** The sync of this process; nothing when another one has it. */
  const ownEngine = (): SyncEngine | undefined => {
    const engine = options.relay?.sync?.engine;
    return engine?.isActive() ? engine : undefined;
  };
  const look = async (): Promise<PeerViews> => {
    if (!options.syncEnabled) return { peers: [], overLimit: [] };
    const engine = ownEngine();
    if (engine)
      return {
        peers: engine.peers().map((peer) => showPeer(peer, clock.nowMs())),
        overLimit: engine.overLimit(),
      };
    const views = await options.readViews();
    if (!views) throw new HttpProblem("unavailable", { detail: "No process syncs with peers at the moment." });
    return views;
  };
  const find = async (text: string): Promise<ShownPeer> => {
    const url = readPeerUrl(text);
    const peer = (await look()).peers.find((one) => one.url === url);
    if (!peer) throw unknownPeer();
    return peer;
  };
  /** For changes: they are up to the process that syncs. */
  const findOwn = (text: string): { readonly engine: SyncEngine; readonly peer: PeerSnapshot } => {
    const engine = ownEngine();
    if (!engine && options.syncEnabled)
      throw new HttpProblem("unavailable", { detail: "Another process syncs with peers; ask that one." });
    const url = readPeerUrl(text);
    const peer = url && engine?.peer(url);
    if (!engine || !peer) throw unknownPeer();
    return { engine, peer };
  };
  const peerParams = { type: "object", required: ["url"], properties: { url: peerParameter } } as const;

  app.get("/status", {
    config: { access: read, errors: ["unavailable"] },
    schema: {
      summary: "Show how the relay and its sync are doing",
      tags: ["relay"],
      response: { 200: answer("Counts, and what needs a look.", statusSchema, statusExample) },
    },
    handler: async () => showStatus(options, await look(), clock.nowMs()),
  });

  app.get<{ Querystring: { limit: number; cursor?: string } }>("/peers", {
    config: { access: read, errors: ["invalid_cursor", "unavailable"] },
    schema: {
      summary: "List the relays that are synced from",
      tags: ["relay"],
      querystring: { type: "object", properties: pageParameters },
      response: { 200: answer("Peers by their address.", { type: "array", items: peerSchema }, [peerExample]) },
    },
    async handler(request, reply) {
      const { limit, cursor } = request.query;
      const after = cursor === undefined ? "" : decodeCursor(cursor, isText);
      const { peers } = await look();
      const sorted = peers.filter(({ url }) => url > after).sort((one, other) => (one.url < other.url ? -1 : 1));
      const page = pageOf(sorted.slice(0, limit + 1), limit, ({ url }) => url);
      const link = linkHeader(request.url, limit, page);
      if (link !== undefined) reply.header("link", link);
      return page.items;
    },
  });

  app.get<{ Params: { url: string } }>("/peers/:url", {
    config: { access: read, errors: ["relay_peer_unknown", "unavailable"] },
    schema: {
      summary: "Show a peer with its certificates and what happened to its connection",
      tags: ["relay"],
      params: peerParams,
      response: { 200: answer("All that is known of it.", peerDetailSchema, peerDetailExample) },
    },
    async handler(request) {
      const peer = await find(request.params.url);
      const { url } = peer;
      const [certificates, transitions] = await Promise.all([
        options.certificates.certificates(url),
        options.transitions.list(url, { limit: maxTransitions }),
      ]);
      const own = ownEngine()?.peer(url);
      return {
        ...peer,
        ...(own && { repos: [...own.repos], root_events: [...own.rootEvents] }),
        certificates: layers((layer) => certificates[layer].map(showCertificate)),
        transitions: transitions.map(showHappening),
      };
    },
  });

  app.get<{ Params: { url: string }; Querystring: { from?: string; to?: string; limit: number } }>(
    "/peers/:url/transitions",
    {
      config: { access: read, errors: ["relay_peer_unknown", "unavailable"] },
      schema: {
        summary: "List what happened to a peer's connection, and the notices it sent",
        tags: ["relay"],
        params: peerParams,
        querystring: {
          type: "object",
          properties: {
            from: { ...time, description: "Not before." },
            to: { ...time, description: "Not after." },
            limit: {
              type: "integer",
              minimum: 1,
              maximum: 1000,
              default: maxTransitions,
              description: "At most so many.",
              examples: [maxTransitions],
            },
          },
        },
        response: {
          200: answer("The newest first; kept for 90 days.", { type: "array", items: transitionSchema }, [
            transitionExample,
          ]),
        },
      },
      async handler(request) {
        const { url } = await find(request.params.url);
        const { from, to, limit } = request.query;
        const list = await options.transitions.list(url, {
          limit,
          ...(from !== undefined && { fromMs: Date.parse(from) }),
          ...(to !== undefined && { toMs: Date.parse(to) }),
        });
        return list.map(showHappening);
      },
    },
  );

  app.post<{ Params: { url: string } }>("/peers/:url/retry", {
    config: { access: admin, errors: ["relay_peer_unknown", "unavailable"] },
    schema: {
      summary: "Do at once what a peer waits for",
      description: "Connects, or fetches what had failed, before its time has come. Nothing is forgotten.",
      tags: ["relay"],
      params: peerParams,
      response: { 200: answer("What is done.", retrySchema, retryExample) },
    },
    async handler(request) {
      const { engine, peer } = findOwn(request.params.url);
      const action = engine.retry(peer.url);
      if (action === null) throw unknownPeer();
      logger.info("a peer is tried by hand", { relay: peer.url, caller: principalOf(request).subject, action });
      return { relay: peer.url, action };
    },
  });

  app.delete<{ Params: { url: string } }>("/peers/:url", {
    config: { access: admin, errors: ["relay_peer_unknown", "unavailable"] },
    schema: {
      summary: "Forget a peer",
      description: "Ends the connection and forgets everything about it. An announcement that names it brings it back.",
      tags: ["relay"],
      params: peerParams,
      response: { 204: { type: "null", description: "It is forgotten." } },
    },
    async handler(request, reply) {
      const { engine, peer } = findOwn(request.params.url);
      await engine.forget(peer.url);
      logger.info("a peer was forgotten by hand", { relay: peer.url, caller: principalOf(request).subject });
      return reply.code(204).send();
    },
  });

  app.get("/held", {
    config: { access: read, errors: ["unavailable"] },
    schema: {
      summary: "List the events that are kept until something else arrives",
      tags: ["relay"],
      response: {
        200: answer("The oldest first, at most 1,000.", { type: "array", items: heldSchema }, [heldExample]),
      },
    },
    async handler() {
      if (!options.relay) throw new HttpProblem("unavailable", { detail: "The relay runs in another process." });
      return options.relay.eventIntake.waiting().slice(0, 1_000).map(showWaiting);
    },
  });

  app.get<{ Params: { id: string } }>("/explain/event/:id", {
    config: { access: read, errors: ["relay_event_unknown", "unavailable"] },
    schema: {
      summary: "Explain what became of an event, and what to do about it",
      tags: ["relay"],
      params: { type: "object", required: ["id"], properties: { id: eventIdParameter } },
      response: { 200: answer("What is true of it, the most telling first.", explanationSchema, explanationExample) },
    },
    async handler(request) {
      const { id } = request.params;
      const findings = await explainer.explain(id);
      if (findings.length === 0) throw new HttpProblem("relay_event_unknown", relayErrors.entries.relay_event_unknown);
      return { event_id: id, findings: findings.map(showFinding) };
    },
  });

  app.post<{ Body: { relay: string; dry_run: boolean } }>("/repair", {
    config: { access: admin, errors: ["relay_peer_unknown", "unavailable"] },
    schema: {
      summary: "Forget what is held against a peer, and sync everything of it anew",
      tags: ["relay"],
      body: repairBodySchema,
      response: { 200: answer("What was done, or would be.", repairSchema, repairExample) },
    },
    async handler(request) {
      const { dry_run } = request.body;
      const { engine, peer } = findOwn(request.body.relay);
      const actions = planRepair(peer, clock.nowMs());
      if (!dry_run) {
        engine.repair(peer.url);
        logger.info("a peer is repaired", { relay: peer.url, caller: principalOf(request).subject, actions });
      }
      return { relay: peer.url, dry_run, actions };
    },
  });
}

/** What a repair comes to, in words. */
function planRepair(peer: PeerSnapshot, nowMs: number): string[] {
  const { failures, naughty, negentropyUnsupportedUntil } = peer;
  return [
    ...(failures > 0 ? [`forget ${failures} failure${failures === 1 ? "" : "s"} and try at once`] : []),
    ...(naughty ? [`forget its mistake (${naughty.category})`] : []),
    ...(negentropyUnsupportedUntil !== null && negentropyUnsupportedUntil > nowMs
      ? ["forget that it cannot reconcile"]
      : []),
    "ask again for events that it did not deliver",
    "sync everything anew",
  ];
}

function unknownPeer(): HttpProblem {
  return new HttpProblem("relay_peer_unknown", relayErrors.entries.relay_peer_unknown);
}

function showStatus(options: SyncApiOptions, { peers, overLimit }: PeerViews, nowMs: number) {
  const { relay, profile, syncEnabled } = options;
  const url = relay?.url ?? options.url;
  const inStatus = (status: ConnectionStatus): number => peers.filter((peer) => peer.status === status).length;
  const inHealth = (health: HealthState): number => peers.filter((peer) => peer.health === health).length;
  const sum = (of: (peer: ShownPeer) => number): number => peers.reduce((total, peer) => total + of(peer), 0);
  return {
    profile,
    domain: url.replace(/^wss?:\/\//, ""),
    url,
    uptime_s: relay ? Math.max(0, (nowMs - relay.startedAtMs) / 1_000) : null,
    sync_enabled: syncEnabled,
    peers: {
      total: peers.length,
      completely_synced: peers.filter(isCompletelySynced).length,
      by_status: {
        disconnected: inStatus("disconnected"),
        connecting: inStatus("connecting"),
        syncing: inStatus("syncing"),
        connected: inStatus("connected"),
        connected_with_failures: inStatus("connected_with_failures"),
        disconnecting: inStatus("disconnecting"),
      },
      by_health: {
        healthy: inHealth("healthy"),
        disconnected: inHealth("disconnected"),
        degraded: inHealth("degraded"),
        dead: inHealth("dead"),
        rate_limited: inHealth("rate_limited"),
      },
    },
    over_limit: [...overLimit],
    refused_targets: peers
      .filter((peer) => peer.last_failure?.kind === "target_not_allowed")
      .map((peer): string => peer.url),
    waiting: relay ? showQueue(relay.eventIntake.waiting(), nowMs) : null,
    queues: {
      undecided_events: sum((peer) => peer.undecided_events),
      pending_batches: sum((peer) => peer.pending_batches.length),
    },
  };
}

function showQueue(waiting: readonly WaitingEvent[], nowMs: number) {
  const oldest = waiting[0]?.sinceMs;
  return {
    events: waiting.length,
    oldest_age_s: oldest === undefined ? null : Math.max(0, (nowMs - oldest) / 1_000),
  };
}

function showWaiting({ event, origin, sinceMs, untilMs }: WaitingEvent) {
  const { ids, addresses } = readReferences(event);
  return {
    event_id: event.id,
    kind: event.kind,
    author: encodeNpub(event.pubkey),
    created_at: isoTime(Math.min(event.created_at, 253_402_300_799) * 1_000),
    state: "waiting",
    peer: origin.peer ?? null,
    since: isoTime(sinceMs),
    until: isoTime(untilMs),
    waits_for: [...ids, ...addresses],
  };
}

function showFinding(finding: EventFinding) {
  const { state, fix } = finding;
  switch (finding.state) {
    case "stored":
      return {
        state,
        fix,
        kind: finding.kind,
        since: isoTime(finding.since),
        source: finding.source,
        ...(finding.peer !== undefined && { peer: finding.peer }),
        correlation_id: finding.correlationId,
      };
    case "waiting":
      return {
        state,
        fix,
        kind: finding.kind,
        until: isoTime(finding.until),
        ...(finding.peer !== undefined && { peer: finding.peer }),
        waits_for: [...finding.waitsFor],
      };
    case "rejected":
      return {
        state,
        fix,
        reason: finding.reason,
        message: finding.message,
        peer: finding.peer,
        since: isoTime(finding.since),
        until: isoTime(finding.until),
      };
    case "deleted":
      return { state, fix, deletion_id: finding.deletionId };
    case "expired":
      return { state, fix, since: isoTime(finding.since) };
  }
}

function answer(description: string, schema: object, example: unknown) {
  return { description, content: { "application/json": { schema, examples: { example: { value: example } } } } };
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
