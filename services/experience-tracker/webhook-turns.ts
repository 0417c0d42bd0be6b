import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { sql } from "kysely";

export interface TurnRequest {
  readonly target: string;
  readonly tenant: string;
  readonly experienceId: string;
  readonly eventId: string;
  /** Between two turns of one experience. 0: everyone has a turn. */
  readonly minIntervalMs: number;
}

export type Turn =
  | {
      readonly kind: "granted";
      /** Events that were withheld since the turn before; one that was delivered twice may be counted twice. */
      readonly withheldBefore: number;
    }
  | { readonly kind: "withheld" };

/**
 * Who may be told now. Shared by all processes on the database; who was granted a turn keeps it, however often it asks
 * and whoever comes after, so that an attempt that failed can be repeated.
 */
export interface WebhookTurns {
  take(request: TurnRequest): Promise<Turn>;
}

interface Tables {
  readonly experience_webhook_turns: {
    target: string;
    tenant: string;
    experience_id: string;
    granted_at_ms: number;
    withheld: number;
  };
  readonly experience_webhook_grants: {
    target: string;
    event_id: string;
    granted_at_ms: number;
    withheld: number;
  };
}

/** Longer than anybody repeats. */
const grantLifeMs = 7 * 86_400_000;

export function createWebhookTurns(database: Database, clock: Clock): WebhookTurns {
  return {
    async take({ target, tenant, experienceId, eventId, minIntervalMs }) {
      if (minIntervalMs === 0) return { kind: "granted", withheldBefore: 0 };
      return database.commitTogether<Tables, Turn>(async (transaction) => {
        // The row is held until the commit: two processes do not both find that it is time.
        const turn = await transaction
          .insertInto("experience_webhook_turns")
          .values({ target, tenant, experience_id: experienceId, granted_at_ms: 0, withheld: 0 })
          .onConflict((conflict) =>
            conflict
              .columns(["target", "tenant", "experience_id"])
              .doUpdateSet({ withheld: sql<number>`experience_webhook_turns.withheld` }),
          )
          .returning(["granted_at_ms", "withheld"])
          .executeTakeFirstOrThrow();
        const granted = await transaction
          .selectFrom("experience_webhook_grants")
          .select("withheld")
          .where("target", "=", target)
          .where("event_id", "=", eventId)
          .executeTakeFirst();
        if (granted) return { kind: "granted", withheldBefore: granted.withheld };
        const nowMs = clock.nowMs();
        // A turn in the future was granted by a clock that has been set back since.
        const isTime = nowMs - turn.granted_at_ms >= minIntervalMs || turn.granted_at_ms > nowMs;
        await transaction
          .updateTable("experience_webhook_turns")
          .set(isTime ? { granted_at_ms: nowMs, withheld: 0 } : { withheld: turn.withheld + 1 })
          .where("target", "=", target)
          .where("tenant", "=", tenant)
          .where("experience_id", "=", experienceId)
          .execute();
        if (!isTime) return { kind: "withheld" };
        await transaction
          .deleteFrom("experience_webhook_grants")
          .where("granted_at_ms", "<", nowMs - grantLifeMs)
          .execute();
        await transaction
          .insertInto("experience_webhook_grants")
          .values({ target, event_id: eventId, granted_at_ms: nowMs, withheld: turn.withheld })
          .execute();
        return { kind: "granted", withheldBefore: turn.withheld };
      });
    },
  };
}
