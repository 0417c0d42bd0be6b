import type { Logger } from "@signalbox/kernel";
import type { SyncObserver } from "./snapshot.js";

/** Tells several what happens, one after the other, each what it wants to hear. */
export function joinObservers(observers: readonly Partial<SyncObserver>[]): SyncObserver {
  return forEachCall((tell) => {
    for (const observer of observers) tell(observer);
  });
}

/** What hangs on the engine must not hold it up. */
export function guardObserver(observer: SyncObserver, logger: Logger): SyncObserver {
  return forEachCall((tell) => {
    try {
      tell(observer);
    } catch (error) {
      logger.error("what happened in sync could not be told", { error });
    }
  });
}

function forEachCall(call: (tell: (observer: Partial<SyncObserver>) => void) => void): SyncObserver {
  return {
    registered: (...told) => call((observer) => observer.registered?.(...told)),
    removed: (...told) => call((observer) => observer.removed?.(...told)),
    transition: (...told) => call((observer) => observer.transition?.(...told)),
    attempt: (...told) => call((observer) => observer.attempt?.(...told)),
    healthChanged: (...told) => call((observer) => observer.healthChanged?.(...told)),
    received: (...told) => call((observer) => observer.received?.(...told)),
    synced: () => call((observer) => observer.synced?.()),
    pendingBatches: (...told) => call((observer) => observer.pendingBatches?.(...told)),
    batch: (...told) => call((observer) => observer.batch?.(...told)),
    notice: (...told) => call((observer) => observer.notice?.(...told)),
    certificate: (...told) => call((observer) => observer.certificate?.(...told)),
  };
}
