import type { Analytics, AnalyticsMigrationSet } from "@signalbox/analytics";
import type { Database, MigrationSet } from "@signalbox/database";
import type { Configure, EventStore } from "@signalbox/event-store";
import {
  type ApplyResult,
  apdexKey,
  type ExperienceStore,
  type Gap,
  type Registry,
  type Rules,
  type Run,
  type TimeoutOverrides,
  totalKey,
  urgencies,
} from "@signalbox/experience";
import type { FamilySource } from "@signalbox/http";
import {
  type Clock,
  createServiceGroup,
  type EgressGuard,
  type Logger,
  type Metrics,
  type Service,
  ulid,
} from "@signalbox/kernel";
import type { FastifyPluginAsync } from "fastify";
import { experienceAnalytics } from "./analytics-migrations.js";
import { createCanary, type OwnProducer } from "./canary.js";
import type { ExperienceSettings } from "./config.js";
import { createDefinitions, type Definitions } from "./definitions.js";
import { createHeartbeat, noticingSilence, type StoreWatch } from "./heartbeat.js";
import { createHistory, type History } from "./history.js";
import { createHistorySubscriber } from "./history-subscriber.js";
import { createRoutes } from "./http/routes.js";
import { closedRun, createIntake } from "./intake.js";
import { createIntakeMetrics } from "./intake-metrics.js";
import { createLogLines, hasLine } from "./log-lines.js";
import { experienceMigrations } from "./migrations.js";
import { createProducerActivity } from "./producer-activity.js";
import { createProducerSilence } from "./producer-silence.js";
import { createProducers } from "./producers.js";
import { publishRecords } from "./publish-records.js";
import { createPublisher } from "./publisher.js";
import { createQuarantine } from "./quarantine.js";
import { createReaper, type Reaper } from "./reaper.js";
import { createReports } from "./reports/reports.js";
import { createRuleFiles } from "./rule-files.js";
import type { RuleSettings } from "./rules/index.js";
import { createSliMetrics, idLabelOf } from "./sli-metrics.js";
import type { PublishInTransaction } from "./store/sql/dependencies.js";
import { createStoreGauges } from "./store-gauges.js";
import { configureExperiences } from "./subscriptions.js";
import { timedStore } from "./timed-store.js";
import { createWebhookTurns } from "./webhook-turns.js";
import { createWebhooks } from "./webhooks.js";

export interface TrackerDependencies {
  /** Opens the state store with these rules; `publish` is for stores that share a database with the event store. */
  readonly openStore: (options: StoreRequest) => OpenableStore;
  readonly analytics: Analytics;
  /** Remembers which webhooks were sent. */
  readonly database: Database;
  /** The way out to webhooks. */
  readonly egress: EgressGuard;
  /** Address under which this server is reached; stands in webhooks. */
  readonly serverUrl: () => string;
  /** How the tracker reaches itself, to see whether it measures. Absent: it does not. */
  readonly self?: OwnProducer | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly settings: ExperienceSettings;
  /** What generated rules say of this server. */
  readonly ruleSettings: RuleSettings;
}

/** Some stores look at their server before they are used. */
export interface OpenableStore extends ExperienceStore {
  /** @throws {RedisSetupError} when the server must not be used */
  open?(): Promise<void>;
}

export interface StoreRequest {
  readonly rules: Rules;
  readonly replica: string;
  readonly publish: PublishInTransaction;
}

/**
 * The experience tracker, put together. In this order: migrate; make the event store with `configure`; `attach` it; start
 * `service`; start the event store; start `intake`; serve `routes`; start `client`. Stop in the reverse order.
 */
export interface ExperienceTracker {
  readonly configure: Configure;
  attach(eventStore: EventStore): void;
  /** The API below `/api/v1/experience`. */
  readonly routes: FastifyPluginAsync;
  /** Metric families whose values live in the state store. */
  readonly sliFamilies: FamilySource;
  /** The state store alone, for processes that only handle events. A part of `service`. */
  readonly storeService: Service;
  /** Definitions, heartbeat, gauges. Closes the state store when it stops. */
  readonly service: Service;
  /** The reaper, where it runs by itself, and the publisher of the outbox. */
  readonly intake: Service;
  /** The canary, where there is one: starts last, when requests are answered, and stops first. */
  readonly client: Service | undefined;
  readonly migrations: MigrationSet;
  readonly analyticsMigrations: AnalyticsMigrationSet;
  readonly definitions: Definitions;
  readonly reaper: Reaper;
  readonly watch: StoreWatch;
  readonly history: History;
  readonly store: ExperienceStore;
}

export function createExperienceTracker(dependencies: TrackerDependencies): ExperienceTracker {
  const { analytics, clock, metrics, settings } = dependencies;
  const logger = dependencies.logger.child("experience");
  const rules = rulesOf(settings);
  const timeouts = timeoutsOf(settings);
  const replica = ulid();
  let attached: EventStore | undefined;
  const eventStore = (): EventStore => {
    if (!attached) throw new Error("The event store is not attached yet.");
    return attached;
  };

  const opened = dependencies.openStore({
    rules,
    replica,
    publish: (records, transaction) => publishRecords(eventStore(), records, transaction),
  });
  const timed = timedStore(opened, metrics, clock);
  const watch = createHeartbeat({
    store: timed,
    replica,
    inlineMetrics: settings.sliMetrics === "inline",
    clock,
    logger,
  });
  const store = noticingSilence(timed, watch);
  const definitions = createDefinitions({
    directory: settings.definitions,
    featureCategoriesFile: settings.featureCategories,
    timeouts,
    clock,
    logger,
    metrics,
  });
  const producers = createProducers({
    file: settings.producers,
    ratePerS: settings.rate,
    burst: settings.burst,
    clock,
    logger,
    metrics,
  });
  const silence = createProducerSilence({ store, replica, clock, logger });
  const activity = createProducerActivity({
    store,
    clock,
    logger,
    onAdded: (added) => silence.heard(added),
  });
  const quarantine = createQuarantine({ store, enforce: settings.quarantine === "enforce", clock, logger });
  const intakeMetrics = createIntakeMetrics(metrics);
  const sli = createSliMetrics({
    store,
    registry: () => definitions.registry,
    prefix: settings.metricPrefix,
    types: settings.types,
    discardReasons: [...settings.discardReasons, "other"],
    maxSeries: settings.maxSeries,
    clock,
    logger,
  });
  const rememberVerdict = (run: Run, typeLabel: string): void => {
    const { terms, verdict, identity, state } = run;
    if (run.uncounted || state === "discarded" || state === "orphaned") return;
    sli.remember(totalKey(terms, typeLabel, state !== "succeeded"), identity.correlationId);
    if (verdict?.apdexSuccess !== undefined)
      sli.remember(apdexKey(terms, typeLabel, verdict.apdexSuccess), identity.correlationId);
  };
  const gauges = createStoreGauges({
    watch,
    store,
    storeName: settings.store,
    maxOutbox: settings.maxOutbox,
    metrics,
    clock,
    logger,
  });
  const publisher = createPublisher({ store, eventStore, clock, logger });
  const reaper = createReaper({
    store,
    clock,
    logger,
    metrics,
    lateStartGraceMs: rules.lateStartGraceMs,
    onDecided(runs) {
      publisher.wake();
      for (const run of runs) {
        intakeMetrics.decided(run);
        rememberVerdict(run, run.last?.typeLabel ?? "other");
      }
    },
  });
  const intake = createIntake({
    store,
    definitions,
    payload: { correlationFormat: settings.correlationFormat, metaKeys: metaKeysOf(settings) },
    admission: {
      types: new Set(settings.types),
      discardReasons: new Set(settings.discardReasons),
      unknown: settings.unknown,
      timeouts,
    },
    metrics: intakeMetrics,
    activity,
    quarantine,
    isBacklogFull: () => gauges.isBacklogFull(),
    onApplied(results: readonly ApplyResult[]) {
      if (results.some((result) => "outboxed" in result && result.outboxed > 0)) publisher.wake();
      for (const result of results) {
        const run = closedRun(result);
        if (run) rememberVerdict(run, run.last?.typeLabel ?? "other");
      }
    },
  });
  const webhooks = createWebhooks({
    targets: settings.webhooks,
    turns: createWebhookTurns(dependencies.database, clock),
    egress: dependencies.egress,
    serverUrl: dependencies.serverUrl,
    clock,
    metrics,
  });
  const history = createHistory(analytics);
  const reports = createReports(analytics);
  const canary =
    dependencies.self &&
    settings.canaryIntervalS > 0 &&
    createCanary({
      ...dependencies.self,
      store,
      history,
      intervalMs: settings.canaryIntervalS * 1000,
      // Nobody knows when somebody else's timer closes runs.
      unendedEvery: settings.reaper === "on" ? 10 : 0,
      holdUntilMs: () => holdUntilMs(watch.gaps, rules),
      // Tenants do not see it among their own runs.
      tenant: settings.tenantClaim === undefined ? "default" : "signalbox",
      types: settings.types,
      clock,
      logger,
      metrics,
    });
  const storeService: Service = {
    name: "experience store",
    start: async () => opened.open?.(),
    stop: () => store.close(),
  };

  return {
    storeService,
    configure: configureExperiences(
      [
        {
          subscriber: createHistorySubscriber({
            analytics,
            store,
            retentionDays: settings.historyDays,
            known: { registry: () => definitions.registry, types: settings.types },
            clock,
            logger,
          }),
        },
        {
          subscriber: createLogLines({ logger, idLabel: idLabelOf(settings.metricPrefix), logPii: settings.logPii }),
          wants: hasLine,
        },
      ],
      webhooks,
    ),
    attach(made) {
      attached = made;
    },
    routes: createRoutes({
      store,
      definitions,
      intake,
      producers: canary ? { ...producers, admit: (who) => canary.admit(who) ?? producers.admit(who) } : producers,
      activity,
      quarantine,
      reaper,
      watch,
      history,
      reports,
      ruleFiles: createRuleFiles(definitions, dependencies.ruleSettings),
      journeys: settings.journeys,
      metrics: intakeMetrics,
      clock,
      corsOrigins: settings.corsOrigins,
      tenantClaim: settings.tenantClaim,
    }),
    sliFamilies: () => sli.families(),
    service: createServiceGroup("experience tracker", [
      storeService,
      producers.service,
      definitions.service,
      {
        name: "experience durations",
        start: async () => intakeMetrics.observeDurations(customThresholdsMs(definitions.registry)),
        stop: async () => {},
      },
      watch.service,
      activity.service,
      silence.service,
      quarantine.service,
      gauges.service,
    ]),
    intake: createServiceGroup("experience intake", [
      publisher.service,
      ...(settings.reaper === "on" ? [reaper.service] : []),
    ]),
    client: canary ? canary.service : undefined,
    migrations: experienceMigrations,
    analyticsMigrations: experienceAnalytics,
    definitions,
    reaper,
    watch,
    history,
    store,
  };
}

function rulesOf(settings: ExperienceSettings): Rules {
  return {
    lateStartGraceMs: settings.lateStartGraceS * 1000,
    missingStartGraceMs: settings.missingStartGraceS * 1000,
    recoveryGraceMs: settings.recoveryGraceS * 1000,
    retentionMs: settings.terminalRetentionS * 1000,
    rejectSkew: settings.skew === "reject",
  };
}

/** The moment from which runs expire again after the last time that checkpoints could not arrive. */
function holdUntilMs(gaps: readonly Gap[], { recoveryGraceMs }: Rules): number {
  const outages = gaps.filter(({ silence }) => silence === undefined);
  return Math.max(0, ...outages.map(({ fromMs, toMs }) => toMs + Math.min(toMs - fromMs, recoveryGraceMs)));
}

function customThresholdsMs({ definitions }: Registry): number[] {
  return definitions.filter(({ urgency }) => urgency === "custom").map(({ thresholdMs }) => thresholdMs);
}

function timeoutsOf({ timeouts }: ExperienceSettings): TimeoutOverrides {
  const given = new Map(Object.entries(timeouts ?? {}));
  const entries = urgencies.flatMap((urgency) => {
    const seconds = given.get(urgency);
    return typeof seconds === "number" ? [[urgency, seconds * 1000] as const] : [];
  });
  return Object.fromEntries(entries);
}

function metaKeysOf({ metaKeys }: ExperienceSettings): ReadonlySet<string> | undefined {
  return metaKeys.includes("*") ? undefined : new Set(metaKeys);
}
