import type { Logger } from "@signalbox/kernel/portable";
import {
  baseUrlOf,
  checkCommon,
  checkNames,
  isStrict,
  type LimitName,
  type Limits,
  limitBounds,
  limitsOf,
  runNameOf,
} from "../check-options.js";
import type { Time } from "../platform.js";
import type { TokenProvider } from "../token-source.js";
import type { CheckpointTransport } from "../transport.js";
import type { PageDefinitions } from "./read-definitions.js";

export interface PageClientOptions {
  /** Address of the Signalbox server, e.g. `https://signalbox.example.com`. */
  readonly endpoint: string;
  /** Bearer token with the scope `experience:write`. Whoever opens the page can read it: give it a short life. */
  readonly token?: string;
  /** Instead of `token`: gives one for each request; asked with `refresh` when the tracker refuses the last one. */
  readonly tokenProvider?: TokenProvider;
  /** Feature category and urgency of each experience, by id. */
  readonly definitions: PageDefinitions;
  /** Default `browser`. */
  readonly type?: string;
  /** Default: that of the build, else `production`. In `development` and `test` mistakes are thrown, else warned about. */
  readonly environment?: string;
  /** Default: warnings go to the console, each once, and nothing else. */
  readonly logger?: Logger;
  readonly clock?: Time;
  /** Name of new runs; a new one starts a separate run of the same correlation. Default `1`. */
  readonly run?: string | (() => string);
  /** Whether journeys of an id are started. What was not started does not propagate. Default: all. */
  readonly enabled?: (id: string) => boolean;
  /**
   * Whether what is not settled when the page ends is kept in `localStorage`, 256 KiB at most, and sent by the next page
   * of the origin. Default true; where there is no storage, nothing is kept.
   */
  readonly spool?: boolean;
  /** Checkpoints in memory at most. Default 10,000. */
  readonly maxQueueEvents?: number;
  /** Bytes of them. Default 8,388,608. */
  readonly maxQueueBytes?: number;
  /** Checkpoints in one request. Default 100, at most 500. */
  readonly maxBatchEvents?: number;
  /** Default and most: 59,000, so that a request can outlive its page. */
  readonly maxBatchBytes?: number;
  /** How long the first checkpoint waits for more. Default 1,000; nothing waits while the page is hidden. */
  readonly maxBatchWaitMs?: number;
  /** Default 5,000. */
  readonly requestTimeoutMs?: number;
  /** How long a batch is tried before it is kept for the next page or dropped. Default 600,000. */
  readonly maxElapsedMs?: number;
  /** How often a batch is tried at most. Default: `maxElapsedMs` alone decides. */
  readonly maxAttempts?: number;
  /** Takes batches elsewhere than to `endpoint`, as tests do. */
  readonly transport?: CheckpointTransport;
  /** Source of jitter, 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** A body of 60,000 bytes with what stands around the checkpoints. */
const { maxInFlight: _, ...boundsOfOne } = limitBounds;
const bounds = { ...boundsOfOne, maxBatchBytes: [59_000, 1_024, 59_000] } as const;

const optionNames: ReadonlySet<string> = new Set([
  ..."endpoint token tokenProvider type definitions environment logger clock run enabled spool".split(" "),
  ...["transport", "random", ...Object.keys(bounds)],
]);

export type PageLimits = Limits<Exclude<LimitName, "maxInFlight">>;

/** What the options mean, checked. */
export interface PageSettings {
  /** Address of the tracker's API. */
  readonly baseUrl: string;
  readonly type: string;
  readonly strict: boolean;
  readonly runName: () => string;
  readonly limits: PageLimits;
}

/** @throws {ExperienceSdkError} `EXPERIENCE_OPTIONS_INVALID` naming the option */
export function checkOptions(options: PageClientOptions): PageSettings {
  checkNames(options, optionNames);
  const type = options.type ?? "browser";
  checkCommon({ ...options, type });
  return {
    baseUrl: baseUrlOf(options.endpoint),
    type,
    strict: isStrict(options.environment ?? environmentOfBuild() ?? "production"),
    runName: runNameOf(options.run),
    limits: limitsOf(options, bounds),
  };
}

/** Bundlers write the value in its place; without one there is no such object. */
declare const process: { readonly env: { readonly NODE_ENV?: string } };

function environmentOfBuild(): string | undefined {
  try {
    return process.env.NODE_ENV;
  } catch {
    return undefined;
  }
}
