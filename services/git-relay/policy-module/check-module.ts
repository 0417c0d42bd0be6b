import type { Database } from "@signalbox/database";
import { type Clock, type Logger, noMetrics } from "@signalbox/kernel";
import { encodeNpub } from "@signalbox/nostr";
import type { RelaySettings } from "../config.js";
import { createEndOf } from "../event-end.js";
import { createFirstRules } from "../policy.js";
import { readAuthors } from "../repository-rules.js";
import { reviewEvents } from "../review-events.js";
import { createSqlRelayEvents } from "../store/sql.js";
import { createObjections } from "./objections.js";
import { createPolicyModule, type PolicyModule } from "./run-module.js";

export interface ModuleCheckOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: Pick<RelaySettings, "policy" | "housekeeping">;
  /** The module to try. */
  readonly path: string;
  /** Seconds since the Unix epoch: events from then on. */
  readonly since: number;
  /** Ends when so many were found that it would refuse. */
  readonly maxRefused: number;
  readonly signal: AbortSignal;
}

/** A stored event that the module would have refused. */
export interface RefusedEvent {
  readonly id: string;
  readonly kind: number;
  /** npub */
  readonly author: string;
  /** Seconds since the Unix epoch. */
  readonly createdAt: number;
  /** As its sender would have read it. */
  readonly message: string;
}

export interface ModuleCheck {
  /** How many events were looked at. */
  readonly checked: number;
  /** Newest first. */
  readonly refused: readonly RefusedEvent[];
  /** Whether there may be more of them, because there are so many. */
  readonly isCut: boolean;
  /** Events that the module gave no decision about; they are among the refused ones. */
  readonly faults: number;
  /** The longest that an answer took, in ms. */
  readonly slowestMs: number;
}

/**
 * Asks a module about stored events, newest first, and tells which it would have refused. Nothing is changed.
 * @throws {RelayError} `RELAY_BAD_POLICY_MODULE`
 */
export async function checkPolicyModule(options: ModuleCheckOptions): Promise<ModuleCheck> {
  const { database, clock, logger, settings, path, since, maxRefused, signal } = options;
  const endOf = createEndOf(settings.housekeeping.purgeTags);
  const events = createSqlRelayEvents({ database, clock, endOf });
  const module = createPolicyModule({
    path,
    budgetMs: settings.policy.moduleBudgetMs,
    clock,
    logger,
    metrics: noMetrics,
  });
  let faults = 0;
  let slowestMs = 0;
  const ask: PolicyModule["ask"] = async (event, context) => {
    const startedMs = clock.monotonicMs();
    const answer = await module.ask(event, context);
    slowestMs = Math.max(slowestMs, clock.monotonicMs() - startedMs);
    if (answer.kind === "fault") faults++;
    return answer;
  };
  const firstRules = createFirstRules({ blockedAuthors: readAuthors(settings.policy.blockedAuthors), endOf });
  try {
    await module.start();
    const { checked, unfit, isCut } = await reviewEvents(
      {
        events,
        // What else the policy of today would refuse is another question.
        policy: (_event, { objection }) => objection ?? { kind: "accept", anchor: true },
        objections: createObjections({ ask }, firstRules),
        since,
        clock,
      },
      maxRefused,
      signal,
    );
    const refused = unfit.map(({ event, message }) => ({
      id: event.id,
      kind: event.kind,
      author: encodeNpub(event.pubkey),
      createdAt: event.created_at,
      message,
    }));
    return { checked, refused, isCut, faults, slowestMs };
  } finally {
    await module.stop();
  }
}
