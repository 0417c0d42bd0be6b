import {
  apdexKey,
  builtInDefinitions,
  type CounterKey,
  checkpointKey,
  type ExperienceStore,
  type RunIdentity,
  termsOf,
  timeoutKey,
  totalKey,
} from "@signalbox/experience";
import { mintToken, type Principal, type TokenKey } from "@signalbox/http";
import { type Clock, type Logger, type Metrics, type Service, ulid } from "@signalbox/kernel";
import type { History } from "./history.js";
import { canaryId } from "./list-runs.js";
import { createLoop } from "./loop.js";
import type { ProducerAdmission } from "./producers.js";

/** What the tracker needs to be a producer of its own. */
export interface OwnProducer {
  /** Where this very process takes checkpoints, not where others reach the service. */
  url(): string;
  /** Signs the server's tokens. */
  key(): Promise<TokenKey>;
  /** That the server's own tokens are for. */
  readonly audience: string;
  /** Whether what is handled somewhere comes to this process's history. */
  readonly seesHistory: boolean;
}

export interface CanaryOptions extends OwnProducer {
  readonly store: Pick<ExperienceStore, "get" | "counters">;
  readonly history: Pick<History, "run">;
  readonly intervalMs: number;
  /** Which run is left without an end: every tenth; 0: none, where nobody closes runs by himself. */
  readonly unendedEvery: number;
  /** Before this moment nothing expires, because checkpoints could not arrive. */
  readonly holdUntilMs: () => number;
  /** Whose its runs are. */
  readonly tenant: string;
  /** Configured types; of others the counters know only that they are others. */
  readonly types: readonly string[];
  /** Within what time a journey must be seen everywhere. Default 30 s. */
  readonly patienceMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A journey of the tracker's own, by which it measures itself. */
export interface Canary {
  /** Lets in the canary's own token, whatever the list of producers and the limits say; `undefined` for any other. */
  admit(principal: Principal): ProducerAdmission | undefined;
  /** Starts once this process answers requests, and stops while it still does. */
  readonly service: Service;
}

/** What of the way a checkpoint goes was not as it should be. */
type CanaryStep = "send" | "verdict" | "counters" | "history";

class CanaryFailure extends Error {
  readonly step: CanaryStep;

  constructor(step: CanaryStep, message: string, cause?: unknown) {
    super(message, { cause });
    this.step = step;
  }
}

const kinds = ["start", "intermediate", "end"] as const;
type Kind = (typeof kinds)[number];

const type = "web";
const producer = "signalbox canary";
const defaultPatienceMs = 30_000;
const requestMs = 5_000;
const lookEveryMs = 250;
const tokenLifetimeMs = 60_000;

export function createCanary(options: CanaryOptions): Canary {
  const { store, clock, logger, metrics, intervalMs, tenant, patienceMs = defaultPatienceMs } = options;
  const definition = builtInDefinitions.find(({ id }) => id === canaryId);
  if (!definition) throw new TypeError("The canary has no definition");
  const terms = termsOf(definition);
  const typeLabel = options.types.includes(type) ? type : "other";
  // Without a value before the first result: a canary that nobody has seen yet is neither dead nor alive.
  const success = metrics.gauge({
    name: "signalbox_experience_canary_success",
    help: "Whether the tracker's last journey of its own was measured as it happened.",
    known: [],
  });
  const lastSuccess = metrics.gauge({
    name: "signalbox_experience_canary_last_success_timestamp_seconds",
    help: "When a journey of the tracker's own was last measured as it happened.",
    known: [],
  });
  const roundtrip = metrics.gauge({
    name: "signalbox_experience_canary_roundtrip_seconds",
    help: "From the first checkpoint of the tracker's last complete journey until it stood in state, counters and history.",
    known: [],
  });
  /** Of tokens that this canary made and may still use. */
  const tokenIds = new Map<string, number>();
  const countersOf = (sent: readonly Kind[], error: boolean): (readonly CounterKey[])[] => [
    ...sent.map((kind) => [checkpointKey(terms, typeLabel, kind)]),
    [totalKey(terms, typeLabel, error)],
  ];
  const countersOfEnd = [
    ...countersOf(kinds, false),
    // A slow machine does not satisfy, and measures that well.
    [apdexKey(terms, typeLabel, true), apdexKey(terms, typeLabel, false)],
  ];
  const countersOfTimeout = [...countersOf(kinds.slice(0, -1), true), [timeoutKey(terms, "timeout")]];
  let journeys = 0;
  let failing = false;

  const newToken = async (): Promise<string> => {
    const { token, tokenId, expiresAtMs } = await mintToken(
      await options.key(),
      {
        subject: producer,
        scopes: ["experience:write"],
        experiences: [canaryId],
        experienceTypes: [type],
        lifetimeMs: tokenLifetimeMs,
        audience: options.audience,
      },
      clock,
    );
    for (const [known, untilMs] of tokenIds) if (untilMs < clock.nowMs()) tokenIds.delete(known);
    tokenIds.set(tokenId, expiresAtMs);
    return token;
  };

  const send = async (kind: Kind, correlationId: string, token: string): Promise<void> => {
    try {
      const response = await fetch(`${options.url()}/api/v1/experience/checkpoints`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({
          correlation_id: correlationId,
          covered_experience_id: canaryId,
          checkpoint: kind,
          type,
          feature_category: definition.featureCategory,
          urgency: definition.urgency,
          client_timestamp: new Date(clock.nowMs()).toISOString(),
        }),
        signal: AbortSignal.timeout(requestMs),
      });
      const answer = await response.text();
      if (!response.ok) throw new Error(`answered ${response.status}: ${answer.slice(0, 300)}`);
    } catch (cause) {
      throw new CanaryFailure("send", `The ${kind} was not taken`, cause);
    }
  };

  /** Asks until the answer is yes. What was asked for and could not be answered is the cause of the failure. */
  const expectSoon = async (step: CanaryStep, untilMs: number, signal: AbortSignal, ask: () => Promise<boolean>) => {
    let cause: unknown;
    do {
      try {
        if (await ask()) return;
        cause = undefined;
      } catch (error) {
        if (error instanceof CanaryFailure) throw error;
        cause = error;
      }
      await clock.sleep(lookEveryMs, { signal });
    } while (clock.monotonicMs() < untilMs);
    throw new CanaryFailure(step, `Not as it should be after ${patienceMs / 1000} s`, cause);
  };

  const countersNow = async (): Promise<ReadonlyMap<CounterKey, number>> => {
    try {
      return await store.counters();
    } catch (cause) {
      throw new CanaryFailure("counters", "The counters cannot be read", cause);
    }
  };

  /** Sends a journey and looks for it wherever it has to be. @throws {CanaryFailure} */
  const travel = async (correlationId: string, hasEnd: boolean, signal: AbortSignal): Promise<void> => {
    const identity: RunIdentity = { tenant, experienceId: canaryId, correlationId, run: "1" };
    const expected = hasEnd ? "succeeded" : "timed_out";
    const before = await countersNow();
    const token = await newToken();
    const startedMs = clock.monotonicMs();
    // A journey that has begun is ended, also when the server stops.
    for (const kind of hasEnd ? kinds : kinds.slice(0, -1))
      if (kind === "end" || !signal.aborted) await send(kind, correlationId, token);
    signal.throwIfAborted();
    const heldMs = hasEnd ? 0 : Math.max(0, options.holdUntilMs() - clock.nowMs());
    const untilMs = startedMs + patienceMs + heldMs;

    await expectSoon("verdict", untilMs, signal, async () => {
      const state = (await store.get(identity))?.run.state;
      if (state === expected) return true;
      if (state === undefined || state === "open") return false;
      throw new CanaryFailure("verdict", `The journey ${state}, it should have ${expected}`);
    });
    // Other replicas raise them too, so that they may have risen by more.
    const raised = hasEnd ? countersOfEnd : countersOfTimeout;
    await expectSoon("counters", untilMs, signal, async () => {
      const after = await store.counters();
      return raised.every((keys) => sumOf(after, keys) > sumOf(before, keys));
    });
    if (options.seesHistory)
      await expectSoon("history", untilMs, signal, async () => {
        return (await options.history.run(identity))?.run.state === expected;
      });
    if (hasEnd) roundtrip.set((clock.monotonicMs() - startedMs) / 1000);
  };

  const journey = async (signal: AbortSignal): Promise<void> => {
    const correlationId = ulid();
    journeys++;
    const hasEnd = options.unendedEvery === 0 || journeys % options.unendedEvery !== 0;
    try {
      await travel(correlationId, hasEnd, signal);
      if (failing) logger.info("experience.canary_recovered", { experience_correlation_id: correlationId });
      failing = false;
      success.set(1);
      lastSuccess.set(clock.nowMs() / 1000);
    } catch (error) {
      // A server that stops looks no further, and says nothing of itself.
      if (signal.aborted) return;
      failing = true;
      success.set(0);
      logger.warn("experience.canary_failed", {
        step: error instanceof CanaryFailure ? error.step : "send",
        experience_correlation_id: correlationId,
        has_end: hasEnd,
        error,
      });
    }
  };

  return {
    admit(principal) {
      if (!tokenIds.has(principal.tokenId)) return undefined;
      return {
        kind: "admitted",
        name: producer,
        tenant,
        refusalOf: (experienceId) => (experienceId === canaryId ? undefined : "experience_not_allowed"),
        take: () => 0,
      };
    },
    service: createLoop({
      name: "experience canary",
      clock,
      logger,
      async round(signal) {
        const startedMs = clock.monotonicMs();
        await journey(signal);
        return Math.max(0, intervalMs - (clock.monotonicMs() - startedMs));
      },
    }).service,
  };
}

function sumOf(counters: ReadonlyMap<CounterKey, number>, keys: readonly CounterKey[]): number {
  return keys.reduce((sum, key) => sum + (counters.get(key) ?? 0), 0);
}
