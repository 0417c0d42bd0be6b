import type { Analytics, AnalyticsMigrationSet } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database, MigrationSet } from "@signalbox/database";
import type { Configure, EventStore } from "@signalbox/event-store";
import {
  type Clock,
  createService,
  createServiceGroup,
  type Logger,
  type Metrics,
  type Service,
} from "@signalbox/kernel";
import type { FastifyPluginAsync } from "fastify";
import type { ErrorTrackingSettings } from "./config.js";
import { createDigest } from "./digest/digest.js";
import type { DigestStep } from "./digest/digest-metrics.js";
import { configureDigest } from "./digest/digest-subscriber.js";
import { countAllPending, digestSubscriber } from "./digest/pending-events.js";
import { createPreparePool } from "./digest/prepare-pool.js";
import { createEdgeLedger } from "./edge/edge-ledger.js";
import { createFairShare } from "./edge/fair-share.js";
import { createKeyCache } from "./edge/key-cache.js";
import { createQuotaWindows } from "./edge/quota-windows.js";
import { createSdkUsage } from "./edge/sdk-usage.js";
import { openGeo } from "./geo/locate.js";
import { createApi } from "./http/api.js";
import { gitlabAccess } from "./http/gitlab-token.js";
import { createIngest } from "./http/ingest.js";
import { createIssueMetrics } from "./issues/issue-metrics.js";
import { configureItems } from "./items/items-subscriber.js";
import { createItemStorage } from "./items/store-items.js";
import { createLedgerMetrics } from "./ledger/ledger-metrics.js";
import { errorTrackingAnalytics } from "./migrations/analytics-migrations.js";
import { errorTrackingMigrations } from "./migrations/error-tracking-migrations.js";
import { createProjects, type Projects } from "./projects/projects.js";
import type { Quota } from "./projects/quotas.js";
import { createOrphanCollector } from "./upkeep/collect-orphans.js";
import { createHousekeeping } from "./upkeep/housekeeping.js";
import { createUpkeep } from "./upkeep/upkeep.js";

export interface ErrorTrackingDependencies {
  readonly database: Database;
  readonly analytics: Analytics;
  /** Without it attachments are not kept. */
  readonly blobs?: Blobs;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly settings: ErrorTrackingSettings;
  /** Address under which clients reach the server; asked for each time. */
  serverUrl(): string;
  /** True while the disk is too full to take anything. */
  readonly isDiskGuardActive?: () => boolean;
  /** True while it is too full to take attachments. */
  readonly isDiskLow?: () => boolean;
  /** Called with the projects whose ledger has changed. */
  readonly onLedgerChange?: (projectIds: readonly number[]) => void;
  /** Called after each step of each batch of the digest. */
  readonly onDigestStep?: (step: DigestStep) => void;
}

/**
 * Error tracking, put together. In this order: migrate; make the event store with `configure`; `attach` it; register
 * `ingest` and `api` on a server; start `service`; start the event store's subscriber to store what was accepted.
 * Stop in the reverse order: the event store before `service`, both before database and analytics are closed.
 */
export interface ErrorTracking {
  /** Registers events and the digest, the subscriber `error_tracking.digest`. */
  readonly configure: Configure;
  /** Gives the event store that was made with `configure`; nothing can be published before. */
  attach(eventStore: EventStore): void;
  /** Routes for SDKs; needs `rewriteIngestUrl` as the server's `rewriteUrl`. */
  readonly ingest: FastifyPluginAsync;
  readonly api: FastifyPluginAsync;
  readonly migrations: MigrationSet;
  readonly analyticsMigrations: AnalyticsMigrationSet;
  readonly projects: Projects;
  /** What `ingest` works with: key cache, quotas, ledger of the edge. */
  readonly edge: Service;
  /**
   * What the digest works with, and housekeeping and upkeep. It takes due work for itself, so it belongs only where the
   * analytics engine is: a process without one would take the work and not be able to do it.
   */
  readonly upkeep: Service;
  /** Both. */
  readonly service: Service;
}

export function createErrorTracking(dependencies: ErrorTrackingDependencies): ErrorTracking {
  const { database, analytics, blobs, clock, metrics, settings, isDiskGuardActive, isDiskLow } = dependencies;
  const logger = dependencies.logger.child("error-tracking");
  let attached: EventStore | undefined;
  const eventStore = (): EventStore => {
    if (attached === undefined) throw new Error("The event store is not attached yet.");
    return attached;
  };

  const serverUrl = (): string => dependencies.serverUrl();
  const { onLedgerChange = () => {} } = dependencies;
  const projects = createProjects({ database, clock, serverUrl, groupingVersion: settings.grouping.version });
  const projectQuotas = quotasByDefault(settings);
  const keys = createKeyCache({ database, clock, logger, projectQuotas });
  const windows = createQuotaWindows({ database, clock, logger });
  const sdks = createSdkUsage({ database, clock, logger });
  const share = createFairShare({
    countPending: async () => (attached === undefined ? 0 : countAllPending(attached.queues)),
    highWater: settings.queue.highWater,
    clock,
    logger,
  });
  const ledger = createEdgeLedger({ database, clock, logger, onWritten: onLedgerChange });
  const items = metrics.counter({
    name: "signalbox_error_tracking_items_total",
    help: "Items by how they ended.",
    labels: ["item_type", "outcome"],
    known: ["stored", "duplicate", "invalid"].map((outcome) => ({ item_type: "event", outcome })),
  });
  const { geoDatabase: geoFile } = settings;
  const defaults = {
    retentionDays: Number(settings.retentionDays),
    groupingVersion: settings.grouping.version,
    geoFile,
  };
  const countChange = createIssueMetrics(metrics);
  const preparer = createPreparePool({ logger: logger.child("digest") });
  const digest = createDigest({
    database,
    analytics,
    preparer,
    publisher: eventStore,
    clock,
    logger: logger.child("digest"),
    metrics,
    ...defaults,
    dedupDays: settings.dedupDays,
    keepPerHour: settings.storm.keepPerHour,
    ...(dependencies.onDigestStep === undefined ? {} : { onStep: dependencies.onDigestStep }),
    onCounted: onLedgerChange,
    onAbandoned: (keys) => removeAbandoned(keys, blobs, logger),
    onOutcome: (outcome) => items.add(1, { item_type: "event", outcome }),
  });

  const checkIns = metrics.counter({
    name: "signalbox_error_tracking_check_ins_total",
    help: "Check-ins of jobs by what they say.",
    labels: ["status"],
    known: ["in_progress", "ok", "error"].map((status) => ({ status })),
  });
  const storage = createItemStorage({
    database,
    analytics,
    ...defaults,
    onOutcome: (itemType, outcome, quantity) => items.add(quantity, { item_type: itemType, outcome }),
    onCheckIn: (status) => checkIns.add(1, { status }),
  });
  const configureBoth: readonly Configure[] = [
    configureItems(storage, settings.queue),
    configureDigest(digest, {
      batchEvents: settings.digest.batchEvents,
      batchBytes: settings.digest.batchBytes,
      lingerMs: settings.digest.lingerMs,
      concurrency: settings.digest.concurrency,
      maxMessages: settings.queue.maxMessages,
      maxBytes: settings.queue.maxBytes,
    }),
  ];

  const onVerified = createLedgerMetrics({
    database,
    clock,
    logger,
    metrics,
    queue: () => attached,
    subscribers: [digestSubscriber, "error_tracking.items"],
    isDiskGuardActive: isDiskGuardActive ?? (() => false),
  });

  const edge = createServiceGroup("error tracking intake", [
    keys.service,
    windows.service,
    sdks.service,
    share.service,
    ledger.service,
  ]);
  const upkeep = createServiceGroup("error tracking work", [
    createService({
      name: "preparation of events",
      // What cannot be read is told now and not with the first event.
      start: async () => void (geoFile && openGeo(geoFile)),
      stop: () => preparer.close(),
    }),
    createHousekeeping({ database, clock, logger, dedupDays: settings.dedupDays }),
    createUpkeep({
      database,
      analytics,
      blobs,
      orphans: blobs && createOrphanCollector({ database, analytics, blobs, clock, messages: eventStore }),
      letters: () => eventStore().dead,
      groupingTransitionMs: settings.grouping.transitionMs,
      publisher: eventStore,
      clock,
      logger,
      defaults,
      countChange,
    }),
  ]);

  return {
    configure: (registry) => {
      for (const configure of configureBoth) configure(registry);
    },
    attach(store) {
      attached = store;
    },
    ingest: createIngest({
      keys,
      windows,
      share,
      noteSdk: sdks.note,
      events: { publish: (event) => eventStore().publish(event) },
      limits: settings.limits,
      maxWaitMs: settings.queue.maxWaitMs,
      clock,
      logger,
      metrics,
      recordOutcome: ledger.record,
      ...(blobs === undefined || !settings.attachments.enabled ? {} : { blobs }),
      ...(isDiskGuardActive === undefined ? {} : { isDiskGuardActive }),
      ...(isDiskLow === undefined ? {} : { isDiskLow }),
    }),
    api: createApi({
      database,
      analytics,
      projects,
      clock,
      publisher: eventStore,
      queue: eventStore,
      letters: () => eventStore().dead,
      gitlabAccess: gitlabAccess(settings.gitlabToken),
      ...(blobs === undefined ? {} : { blobs }),
      onVerified,
      defaults,
      projectQuotas,
      countChange,
      serverUrl,
    }),
    migrations: errorTrackingMigrations,
    analyticsMigrations: errorTrackingAnalytics,
    projects,
    edge,
    upkeep,
    service: createServiceGroup("error tracking", [edge, upkeep]),
  };
}

/** Deletes attachments that no event came to have. What fails is collected with the orphans, a day later. */
function removeAbandoned(keys: readonly string[], blobs: Blobs | undefined, logger: Logger): void {
  if (blobs === undefined) return;
  Promise.all(keys.map((key) => blobs.delete(key))).catch((error: unknown) =>
    logger.warn("attachments that nobody needs could not be removed yet", { error }),
  );
}

/** The quotas of a project that has none of its own. */
function quotasByDefault({ quota }: ErrorTrackingSettings): Quota[] {
  return [{ categories: ["error"], limit: quota.projectErrorsPerMinute, windowS: 60 }];
}
