import type { Clock, Logger } from "@signalbox/kernel";
import { isItemType } from "@signalbox/sentry-protocol";
import type { RecordOutcome } from "./edge-outcomes.js";

const hourMs = 3_600_000;

/**
 * Says once per type of item and hour that such items come and are not kept, and passes all outcomes on. SDKs send them
 * with every request; the ledger counts them.
 */
export function createNotStoredLog(logger: Logger, clock: Clock, next: RecordOutcome): RecordOutcome {
  let hour = 0;
  const logged = new Set<string>();
  return (outcome) => {
    next(outcome);
    if (outcome.outcome !== "not_stored") return;
    const now = Math.floor(clock.nowMs() / hourMs);
    if (now !== hour) {
      hour = now;
      logged.clear();
    }
    const type = isItemType(outcome.itemType) ? outcome.itemType : "other";
    if (logged.has(type)) return;
    logged.add(type);
    logger.info("items of a type that is not kept are counted and dropped", { item_type: type });
  };
}
