import { createHmac } from "node:crypto";
import { type DomainEvent, defineSubscriber, type RetryVerdict, type Subscriber } from "@signalbox/event-store";
import { reservedIdPrefix } from "@signalbox/experience";
import {
  type Clock,
  defineErrors,
  type EgressGuard,
  type ErrorOptions,
  errorCode,
  fullJitterMs,
  type Metrics,
  type Secret,
  SignalboxError,
} from "@signalbox/kernel";
import type { ExperienceSettings } from "./config.js";
import type { VerdictData } from "./event-data.js";
import type { WebhookTurns } from "./webhook-turns.js";

export const webhookErrors = defineErrors("Webhooks of experiences", {
  WEBHOOK_REFUSED: {
    message: "The receiver of a webhook did not take it",
    retryable: true,
    remedy: "See in the receiver's log why it answers other than 2xx; what it did not take for a day is a dead letter.",
  },
});

export class WebhookError extends SignalboxError {
  declare readonly code: keyof typeof webhookErrors.entries;

  constructor(code: keyof typeof webhookErrors.entries, options: ErrorOptions = {}) {
    super(code, webhookErrors.entries[code], options);
  }
}

type Target = ExperienceSettings["webhooks"][number];

export interface WebhookDependencies {
  readonly targets: readonly Target[];
  readonly turns: WebhookTurns;
  readonly egress: EgressGuard;
  /** Address under which people and programs reach this server. */
  readonly serverUrl: () => string;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** Tells one receiver of the verdicts that it wants to know. */
export interface Webhook {
  readonly subscriber: Subscriber<VerdictData>;
  wants(event: DomainEvent<VerdictData>): boolean;
}

const timeoutMs = 10_000;
const dayMs = 86_400_000;
const backoff = { baseMs: 1_000, maxMs: 3_600_000 } as const;
/** With pauses of half an hour on average a day is over before so many. */
const maxAttempts = 100;

/**
 * A subscriber for each receiver: each has a queue of its own, so that one that is away keeps nobody waiting, and what
 * waits for it outlives every process.
 */
export function createWebhooks(dependencies: WebhookDependencies): readonly Webhook[] {
  const { targets, metrics } = dependencies;
  if (targets.length === 0) return [];
  const results = metrics.counter({
    name: "signalbox_experience_webhooks_total",
    help: "Requests to webhooks by result; withheld: not sent because one had been sent shortly before.",
    labels: ["target", "result"],
    known: targets.flatMap(({ name: target }) => ["sent", "failed", "withheld"].map((result) => ({ target, result }))),
  });
  return targets.map((target) => ({
    wants: wantedBy(target),
    subscriber: defineSubscriber<VerdictData>(`experience.webhook.${target.name}`, {
      urgency: "low",
      timeoutMs: 3 * timeoutMs,
      concurrency: 4,
      retry: { maxAttempts, maxAgeMs: dayMs, decide: pauseBefore },
      async handle(event, { signal }) {
        const turn = await dependencies.turns.take({
          target: target.name,
          tenant: event.data.tenant,
          experienceId: event.data.covered_experience_id,
          eventId: event.id,
          minIntervalMs: target.minIntervalS * 1_000,
        });
        if (turn.kind === "withheld") {
          results.add(1, { target: target.name, result: "withheld" });
          return;
        }
        try {
          await deliver(target, event, turn.withheldBefore, signal, dependencies);
          results.add(1, { target: target.name, result: "sent" });
        } catch (error) {
          results.add(1, { target: target.name, result: "failed" });
          throw error;
        }
      },
    }),
  }));
}

/** How long until the next attempt, at random so that receivers that were away are not met by all at once. */
export function pauseBefore(error: unknown, attempt: number): RetryVerdict {
  const code = errorCode(error);
  // Repeating changes neither what may be called nor how much the receiver has to say.
  if (code === "EGRESS_REFUSED" || code === "EGRESS_TOO_LARGE") return "dead";
  return { delayMs: fullJitterMs(attempt, backoff) };
}

function wantedBy({ on, experiences }: Target): Webhook["wants"] {
  const types: ReadonlySet<string> = new Set(on);
  const ids = experiences.length === 0 ? undefined : new Set(experiences);
  return ({ type, data: { covered_experience_id: id } }) =>
    types.has(type) && (ids?.has(id) ?? !id.startsWith(reservedIdPrefix));
}

/** @throws {KernelError} of the guard; {WebhookError} for an answer that is not 2xx */
async function deliver(
  target: Target,
  event: DomainEvent<VerdictData>,
  withheldBefore: number,
  signal: AbortSignal,
  { egress, serverUrl, clock }: WebhookDependencies,
): Promise<void> {
  const body = JSON.stringify(bodyOf(event, withheldBefore, serverUrl()));
  const { status } = await egress.request(target.url.reveal(), {
    method: "POST",
    headers: {
      "content-type": "application/json; charset=utf-8",
      "user-agent": "signalbox-webhook/1",
      "x-signalbox-delivery": event.id,
      "x-signalbox-signature": signatureOf(body, target.secret, Math.floor(clock.nowMs() / 1_000)),
    },
    body,
    timeoutMs,
    signal,
  });
  if (status < 200 || status > 299)
    throw new WebhookError("WEBHOOK_REFUSED", { details: { target: target.name, status } });
}

/** What a producer added to its checkpoints stays here: who is told may not be who may read it. */
function bodyOf({ id, type, time, subject, data }: DomainEvent<VerdictData>, withheldBefore: number, url: string) {
  const { meta: _meta, ...verdict } = data;
  const path = [verdict.covered_experience_id, verdict.correlation_id, verdict.run].map(encodeURIComponent).join("/");
  return {
    id,
    type,
    time,
    subject,
    correlation_id: verdict.correlation_id,
    /** Others of this experience since the last one that was sent. */
    withheld: withheldBefore,
    links: {
      run: `${url}/experiences/runs/${path}`,
      timeline: `${url}/timeline/${encodeURIComponent(verdict.correlation_id)}`,
    },
    data: verdict,
  };
}

/** `t=<seconds>,v1=<hex HMAC-SHA256 of "seconds.body">`: a receiver can refuse what is old, and what is not ours. */
export function signatureOf(body: string, secret: Secret, seconds: number): string {
  return `t=${seconds},v1=${createHmac("sha256", secret.reveal()).update(`${seconds}.${body}`).digest("hex")}`;
}
