import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { Clock, Logger, Metrics } from "@signalbox/kernel";
import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkKeys,
  checkMethods,
  checkObject,
  checkText,
  readGuarded,
} from "./check-options.js";
import type { LogMode } from "./define-event.js";
import type { DispatchLog } from "./dispatch-log.js";
import { EventStoreError } from "./errors.js";
import type { Resolver } from "./event.js";
import type { Limits } from "./limits.js";
import type { Configure } from "./registry.js";
import type { Tracing } from "./tracing.js";
import type { Transport } from "./transports/transport.js";

export interface EventStoreOptions {
  readonly transport: Transport;
  /** Who publishes: `source` of every event that does not name another. */
  readonly source: string;
  /** Run once, in order, while the store is created. */
  readonly configure: Configure | readonly Configure[];
  /** Keeps dead letters and pauses. Default: the transport's database, else memory. */
  readonly database?: Database;
  /** Takes data that is too large for the transport. */
  readonly blobs?: Blobs;
  readonly dispatchLog?: DispatchLog;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** Reverse domain name in front of every type on the wire. Default `dev.signalbox`. */
  readonly typePrefix?: string;
  readonly schemaUri?: (type: string, version: number) => string;
  /** Answers for the feature flags of definitions. Default: all on. */
  readonly isEnabled?: (flag: string) => boolean;
  readonly resolvers?: { readonly user?: Resolver; readonly organization?: Resolver };
  /** Default: conditions `throw` unless `NODE_ENV` is `production`, the transport always `throw`. */
  readonly errors?: { readonly condition?: "throw" | "report"; readonly transport?: "throw" | "report" };
  readonly limits?: Partial<Limits>;
  /** Upper bound of what is logged about events. Default `all`. */
  readonly log?: LogMode;
  /** Whether log lines carry the data of events. Default true. */
  readonly logData?: boolean;
  /** Makes spans. Default: none are made. */
  readonly tracing?: Tracing;
}

const storeKeys: readonly (keyof EventStoreOptions)[] = [
  "transport",
  "source",
  "configure",
  "database",
  "blobs",
  "dispatchLog",
  "clock",
  "logger",
  "metrics",
  "typePrefix",
  "schemaUri",
  "isEnabled",
  "resolvers",
  "errors",
  "limits",
  "log",
  "logData",
  "tracing",
];

/** What shows at once that something else was given for a port. */
const portMethods: Partial<Record<keyof EventStoreOptions, readonly string[]>> = {
  transport: ["open", "enqueue", "consume", "settle", "close"],
  database: ["run", "batch", "transaction"],
  blobs: ["put", "get", "delete"],
  dispatchLog: ["dispatched", "handled", "flush"],
  clock: ["nowMs", "monotonicMs", "setTimer", "sleep"],
  logger: ["debug", "info", "warn", "error", "child"],
  metrics: ["counter", "gauge", "histogram"],
  tracing: ["publishing", "processing"],
};

/** @throws {EventStoreError} `EVT_CONFIG_INVALID` naming the option. */
export function checkStoreOptions(options: EventStoreOptions): void {
  checkObject(options, "options", refuseConfig);
  checkKeys(options, storeKeys, "", refuseConfig);
  if (options.transport === undefined) refuseConfig("transport", "`transport` is missing");
  for (const [port, methods] of Object.entries(portMethods))
    checkMethods(Reflect.get(options, port), methods, port, refuseConfig);
  if (options.source === undefined) refuseConfig("source", "`source` is missing");
  checkText(options.source, "source", refuseConfig);
  for (const configure of [options.configure].flat()) {
    if (typeof configure !== "function") refuseConfig("configure", "`configure` must be a function or a list of them");
  }
  if (options.typePrefix !== undefined && !/^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$/.test(options.typePrefix))
    refuseConfig("typePrefix", "`typePrefix` must be a reverse domain name");
  checkFunction(options.schemaUri, "schemaUri", refuseConfig);
  checkFunction(options.isEnabled, "isEnabled", refuseConfig);
  if (options.resolvers !== undefined) {
    checkKeys(options.resolvers, ["user", "organization"], "resolvers.", refuseConfig);
    checkFunction(options.resolvers.user, "resolvers.user", refuseConfig);
    checkFunction(options.resolvers.organization, "resolvers.organization", refuseConfig);
  }
  if (options.errors !== undefined) {
    checkKeys(options.errors, ["condition", "transport"], "errors.", refuseConfig);
    checkChoice(options.errors.condition, ["throw", "report"], "errors.condition", refuseConfig);
    checkChoice(options.errors.transport, ["throw", "report"], "errors.transport", refuseConfig);
  }
  checkChoice(options.log, ["all", "failures", "off"], "log", refuseConfig);
  checkBoolean(options.logData, "logData", refuseConfig);
}

/** A copy: what an option says now holds. */
export function readCallOptions<O extends object>(options: O, known: readonly string[]): O {
  return readGuarded("options", refuseConfig, () => {
    checkObject(options, "options", refuseConfig);
    checkKeys(options, known, "", refuseConfig);
    return { ...options };
  });
}

export function refuseConfig(option: string, message: string, cause?: unknown): never {
  throw new EventStoreError("EVT_CONFIG_INVALID", { message, details: { option }, cause });
}
