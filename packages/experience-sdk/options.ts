import { type Clock, type Logger, type Metrics, nearestName } from "@signalbox/kernel";
import type { Registry } from "prom-client";
import {
  baseUrlOf,
  checkCommon,
  checkNames,
  isStrict,
  type Limits,
  limitBounds,
  limitsOf,
  refuse,
  runNameOf,
} from "./check-options.js";
import type { DefinitionsInCode } from "./read-definitions.js";
import type { TokenProvider } from "./token-source.js";
import type { CheckpointTransport } from "./transport.js";

/** Where journeys are counted: by the tracker, in this process alone, or in both. */
export type Mode = "tracker" | "local" | "both";

export interface ClientOptions {
  /** Address of the Signalbox server, e.g. `https://signalbox.example.com`. Needed unless `mode` is `local`. */
  readonly endpoint?: string;
  /** Bearer token with the scope `experience:write`. */
  readonly token?: string;
  /** Instead of `token`: gives one for each request; asked with `refresh` when the tracker refuses the last one. */
  readonly tokenProvider?: TokenProvider;
  /** Component that records: `web`, `api`, `sidekiq`, `worker`, … */
  readonly type: string;
  /** A folder of definition files, their contents by id, or `remote`: those of the tracker. Default `remote`. */
  readonly definitions?: string | DefinitionsInCode;
  /** Default `tracker`. */
  readonly mode?: Mode;
  /** Default `NODE_ENV`, else `production`. In `development` and `test` mistakes are thrown, else warned about. */
  readonly environment?: string;
  /** Default: warnings go to the console, each once, and nothing else. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** `relaxed` sends ambient correlation ids that are no ULIDs as they are, if the tracker takes them. Default `ulid`. */
  readonly correlationFormat?: "ulid" | "relaxed";
  /** Name of new runs; a new one starts a separate run of the same correlation. Default `1`. */
  readonly run?: string | (() => string);
  /** Whether journeys of an id are started. What was not started does not propagate. Default: all. */
  readonly enabled?: (id: string) => boolean;
  /** Registry of prom-client for the client's own metrics, and for those of `local` and `both`. */
  readonly registry?: Registry;
  /** The same through the kernel's port, instead of `registry`. */
  readonly metrics?: Metrics;
  /** Prefix of what `local` and `both` count. Default `gitlab_covered_experience`, with `both` `…_local`. */
  readonly localMetricPrefix?: string;
  /** Key id → secret, for entries that travel; the first one signs. */
  readonly signingKeys?: Readonly<Record<string, string>>;
  /** Believes only signed entries. Default false. */
  readonly requireSigned?: boolean;
  /** Checkpoints in memory at most. Default 10,000. */
  readonly maxQueueEvents?: number;
  /** Bytes of them. Default 8,388,608. */
  readonly maxQueueBytes?: number;
  /** Checkpoints in one request. Default 100, at most 500. */
  readonly maxBatchEvents?: number;
  /** Default 524,288. */
  readonly maxBatchBytes?: number;
  /** How long the first checkpoint waits for more. Default 1,000. */
  readonly maxBatchWaitMs?: number;
  /** Requests at once, 1 to 4. One run always keeps its order. Default 1. */
  readonly maxInFlight?: number;
  /** Default 5,000. */
  readonly requestTimeoutMs?: number;
  /** How long a batch is tried before it is dropped. Default 600,000. */
  readonly maxElapsedMs?: number;
  /** How often a batch is tried at most. Default: `maxElapsedMs` alone decides. */
  readonly maxAttempts?: number;
  /**
   * Folder in which checkpoints are kept that could not be sent in time, and those that wait at a shutdown (64 MiB at
   * most, the oldest make room). The next client with this folder sends them. Default: they are dropped.
   */
  readonly spoolDir?: string;
  /** Takes batches elsewhere than to `endpoint`, as tests do. */
  readonly transport?: CheckpointTransport;
  /** Source of jitter, 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

const optionNames: ReadonlySet<string> = new Set([
  ...["endpoint", "token", "tokenProvider", "type", "definitions", "mode", "environment", "logger", "clock"],
  ...["correlationFormat", "run", "enabled", "registry", "metrics", "localMetricPrefix", "signingKeys"],
  ...["requireSigned", "spoolDir", "transport", "random", ...Object.keys(limitBounds)],
]);

const prefixPattern = /^[a-zA-Z_][a-zA-Z0-9_]{0,99}$/;

export const trackerMetricPrefix = "gitlab_covered_experience";

/** What the options mean, checked. */
export interface Settings {
  /** Address of the tracker's API; absent when nothing is sent there. */
  readonly baseUrl: string | undefined;
  readonly mode: Mode;
  readonly strict: boolean;
  readonly localMetricPrefix: string;
  readonly runName: () => string;
  readonly limits: Limits;
}

/** @throws {ExperienceSdkError} `EXPERIENCE_OPTIONS_INVALID` naming the option */
export function checkOptions(options: ClientOptions): Settings {
  checkNames(options, optionNames, nearestName);
  const mode = options.mode ?? "tracker";
  if (!["tracker", "local", "both"].includes(mode)) refuse("mode", "must be tracker, local or both");
  checkCommon(options);
  if (!["ulid", "relaxed", undefined].includes(options.correlationFormat))
    refuse("correlationFormat", "must be ulid or relaxed");
  if (options.registry !== undefined && options.metrics !== undefined)
    refuse("metrics", "cannot be given together with registry");
  if (mode === "local" && (options.definitions ?? "remote") === "remote")
    refuse("definitions", "must be a folder or an object when mode is local");
  const environment = options.environment ?? process.env["NODE_ENV"] ?? "production";
  return {
    baseUrl: mode === "local" ? undefined : trackerUrlOf(options),
    mode,
    strict: isStrict(environment),
    localMetricPrefix: localPrefixOf(options, mode),
    runName: runNameOf(options.run),
    limits: limitsOf(options, limitBounds),
  };
}

function trackerUrlOf({ endpoint, transport, definitions }: ClientOptions): string | undefined {
  const isElsewhere = transport !== undefined && definitions !== undefined && definitions !== "remote";
  return endpoint === undefined && isElsewhere ? undefined : baseUrlOf(endpoint);
}

function localPrefixOf({ localMetricPrefix }: ClientOptions, mode: Mode): string {
  const prefix = localMetricPrefix ?? (mode === "both" ? `${trackerMetricPrefix}_local` : trackerMetricPrefix);
  if (typeof prefix !== "string" || !prefixPattern.test(prefix))
    refuse("localMetricPrefix", "must be the beginning of a metric's name");
  if (mode === "both" && prefix === trackerMetricPrefix)
    refuse("localMetricPrefix", "must differ from the tracker's prefix, else each journey would be counted twice");
  return prefix;
}
