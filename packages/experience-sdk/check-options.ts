import { ExperienceSdkError } from "./errors.js";
import { isRecord } from "./is-record.js";
import { isRunName } from "./names.js";

/** Limits: default, least, most. */
export const limitBounds = {
  maxQueueEvents: [10_000, 1, 10_000_000],
  maxQueueBytes: [8 * 1_024 * 1_024, 1_024, 2 ** 40],
  maxBatchEvents: [100, 1, 500],
  maxBatchBytes: [512 * 1_024, 1_024, 4 * 1_024 * 1_024],
  maxBatchWaitMs: [1_000, 0, 3_600_000],
  maxInFlight: [1, 1, 4],
  requestTimeoutMs: [5_000, 1, 600_000],
  maxElapsedMs: [600_000, 1, 86_400_000],
  maxAttempts: [Number.POSITIVE_INFINITY, 1, 1_000_000],
} as const;

export type LimitName = keyof typeof limitBounds;

export type LimitBounds<Name extends LimitName> = Readonly<
  Record<Name, readonly [byDefault: number, min: number, max: number]>
>;

export type Limits<Name extends LimitName = LimitName> = Readonly<Record<Name, number>>;

const typePattern = /^[a-z][a-z0-9_-]{0,31}$/;
const apiPath = "/api/v1/experience";

/** @throws {ExperienceSdkError} `EXPERIENCE_OPTIONS_INVALID` naming the option, as all of this file */
export function checkNames(
  options: unknown,
  known: ReadonlySet<string>,
  nearestName?: (name: string, known: Iterable<string>) => string | undefined,
): void {
  if (!isRecord(options)) refuse("options", "must be an object");
  for (const name of Object.keys(options)) {
    if (known.has(name)) continue;
    const nearest = nearestName?.(name, known);
    refuse(name, `is not known${nearest === undefined ? "" : `; \`${nearest}\` is`}`);
  }
}

/** What both builds have, and how it must be. */
export interface CommonOptions extends Readonly<Partial<Record<LimitName, number>>> {
  readonly type?: string;
  readonly token?: string;
  readonly tokenProvider?: unknown;
}

export function checkCommon({ type, token, tokenProvider }: CommonOptions): void {
  if (typeof type !== "string" || !typePattern.test(type))
    refuse("type", "must be a lower-case word: letters, digits, _ and -");
  if (token !== undefined && tokenProvider !== undefined)
    refuse("tokenProvider", "cannot be given together with token");
}

/** Address of the tracker's API. */
export function baseUrlOf(endpoint: unknown): string {
  const url = typeof endpoint === "string" ? toUrl(endpoint) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return refuse("endpoint", "must be an http or https address");
  const path = url.pathname.replace(/\/+$/, "");
  return `${url.origin}${path.endsWith(apiPath) ? path : `${path}${apiPath}`}`;
}

export function isStrict(environment: string): boolean {
  return environment === "development" || environment === "test";
}

export function runNameOf(run: string | (() => string) | undefined): () => string {
  if (typeof run === "function") return run;
  const name = run ?? "1";
  if (!isRunName(name)) refuse("run", "must be 1 to 64 letters, digits, _, ., : and -");
  return () => name;
}

export function limitsOf<Name extends LimitName>(options: CommonOptions, bounds: LimitBounds<Name>): Limits<Name> {
  const limit = (name: Name): number => {
    const [byDefault, min, max] = bounds[name];
    const value = options[name];
    if (value === undefined) return byDefault;
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    return refuse(name, `must be a whole number from ${min} to ${max}`);
  };
  const names = Object.keys(bounds) as Name[];
  return Object.fromEntries(names.map((name) => [name, limit(name)])) as Record<Name, number>;
}

export function refuse(option: string, why: string): never {
  throw new ExperienceSdkError("EXPERIENCE_OPTIONS_INVALID", {
    message: `The option \`${option}\` ${why}.`,
    details: { option },
  });
}

/** Absent for what is no address. Older browsers cannot ask beforehand. */
export function toUrl(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}
