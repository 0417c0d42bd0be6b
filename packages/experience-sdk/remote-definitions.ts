import { isUrgency, thresholdsMs } from "@signalbox/experience";
import { type Clock, fullJitterMs } from "@signalbox/kernel";
import { readJson } from "./http-transport.js";
import { isRecord } from "./is-record.js";
import type { KnownExperience, KnownExperiences } from "./known-experiences.js";
import type { TokenSource } from "./token-source.js";
import { version } from "./version.js";
import { wait } from "./wait.js";
import type { WarnOnce } from "./warn-once.js";

export interface RemoteDefinitionsOptions {
  /** Address of the tracker's API. */
  readonly baseUrl: string;
  readonly token: TokenSource;
  readonly clock: Clock;
  readonly random: () => number;
  readonly requestTimeoutMs: number;
  readonly warn: WarnOnce;
}

const backoff = { baseMs: 200, maxMs: 20_000 } as const;
const refreshMs = 60_000;

/** Asks the tracker for its definitions until it has them, and again every minute. */
export function createRemoteDefinitions(options: RemoteDefinitionsOptions): KnownExperiences {
  const { clock, warn } = options;
  const stopping = new AbortController();
  const listeners: (() => void)[] = [];
  let known: ReadonlyMap<string, KnownExperience> | undefined;
  let etag: string | undefined;

  const load = async (refresh: boolean): Promise<boolean> => {
    const limit = new AbortController();
    const abort = (): void => limit.abort(new Error("the request took too long, or the client stops"));
    const timer = clock.setTimer(options.requestTimeoutMs, abort);
    stopping.signal.addEventListener("abort", abort, { once: true });
    try {
      const token = await options.token.get(refresh);
      const answer = await fetch(`${options.baseUrl}/definitions`, {
        headers: {
          "user-agent": `experience-sdk/${version}`,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(etag === undefined ? {} : { "if-none-match": etag }),
        },
        redirect: "manual",
        signal: limit.signal,
      });
      if (answer.status === 401 && !refresh && options.token.canRefresh) return await load(true);
      if (answer.status === 304) return true;
      const found = answer.status === 200 ? readKnown(await readJson(answer)) : undefined;
      if (!found) {
        warn("remote", "the tracker does not give its definitions", { status: answer.status });
        return false;
      }
      etag = answer.headers.get("etag") ?? undefined;
      known = found;
      return true;
    } catch (error) {
      if (!stopping.signal.aborted)
        warn("remote unreachable", "definitions cannot be read from the tracker", { error });
      return false;
    } finally {
      timer.cancel();
      stopping.signal.removeEventListener("abort", abort);
    }
  };

  const keepLoading = async (): Promise<void> => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      failures = (await load(false)) ? 0 : failures + 1;
      if (known) for (const tell of listeners.splice(0)) tell();
      const delayMs = failures === 0 ? refreshMs : fullJitterMs(failures, backoff, options.random);
      await wait(clock, delayMs, stopping.signal);
    }
  };
  void keepLoading();

  return {
    find: (id) => (known ? known.get(id) : "pending"),
    onReady(callback) {
      if (known) callback();
      else listeners.push(callback);
    },
    stop: () => stopping.abort(),
  };
}

/** Absent when the body does not hold a list of definitions. */
function readKnown(body: unknown): Map<string, KnownExperience> | undefined {
  const list = isRecord(body) ? body["definitions"] : body;
  if (!Array.isArray(list)) return undefined;
  const known = new Map<string, KnownExperience>();
  for (const entry of list) {
    if (!isRecord(entry)) continue;
    const { id, feature_category: featureCategory, urgency, threshold_s: thresholdS } = entry;
    if (typeof id !== "string" || typeof featureCategory !== "string" || !isUrgency(urgency)) continue;
    const byUrgencyMs = urgency === "custom" ? 0 : thresholdsMs[urgency];
    const thresholdMs = typeof thresholdS === "number" ? thresholdS * 1_000 : byUrgencyMs;
    known.set(id, { id, featureCategory, urgency, thresholdMs });
  }
  return known;
}
