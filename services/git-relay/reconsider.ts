import { type Clock, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import { kinds, type VerifiedEvent } from "@signalbox/nostr";
import type { EventIntake } from "./accept-event.js";
import type { HotRejection, StoredRejectedIndex } from "./peers/rejected-index.js";
import type { EventOrigin } from "./store/port.js";
import type { SyncEngine } from "./sync/options.js";

export interface ReconsiderationOptions {
  readonly intake: EventIntake;
  readonly rejected: StoredRejectedIndex;
  /** Asks peers again for what was refused too long ago to be kept. */
  readonly syncAgain: SyncEngine["syncAgain"];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Downloads that several stored events make necessary begin together. */
const gatherMs = 1_000;
const nobody: ReadonlySet<string> = new Set();
const causes: ReadonlySet<number> = new Set([kinds.announcement, kinds.state, kinds.deletion]);

/**
 * Decides refused announcements and states anew when something was stored that may have made them acceptable: those that
 * are still kept at once, others after another download.
 */
export function createReconsideration(options: ReconsiderationOptions): Service {
  const { intake, rejected, clock, logger } = options;
  let again: { readonly identifiers: Set<string>; announcements: boolean } | undefined;
  let timer: Timer | undefined;
  let working: Promise<void> = Promise.resolve();
  let isStopped = false;
  let unlisten = (): void => {};

  const decideAgain = async ({ event, peer }: HotRejection, correlationId: string): Promise<void> => {
    const origin: EventOrigin = { source: "sync", peer, correlationId };
    const verdict = await intake.accept(event, { origin, authenticated: nobody });
    if (verdict.kind === "rejected" && verdict.byPolicy) await rejected.add(event, verdict, peer);
  };

  const download = ({ kind, identifier }: { readonly kind: number; readonly identifier: string }): void => {
    again ??= { identifiers: new Set(), announcements: false };
    if (kind === kinds.announcement) again.announcements = true;
    else again.identifiers.add(identifier);
    timer ??= clock.setTimer(gatherMs, () => {
      timer = undefined;
      if (again) options.syncAgain({ identifiers: [...again.identifiers], announcements: again.announcements });
      again = undefined;
    });
  };

  const reconsider = async (stored: VerifiedEvent, correlationId: string): Promise<void> => {
    try {
      const { hot, cold } = await rejected.takeAffected(stored);
      await Promise.all(hot.map((rejection) => decideAgain(rejection, correlationId)));
      for (const key of cold) if (!isStopped) download(key);
    } catch (error) {
      logger.warn("refused events could not be decided anew", { error, event_id: stored.id });
    }
  };

  return createService({
    name: "refused events decided anew",
    async start() {
      unlisten = intake.onSaved(({ event, origin }) => {
        if (!causes.has(event.kind)) return;
        // An event of the same group that was refused is told to the index a moment later.
        setImmediate(() => {
          if (!isStopped) working = working.then(() => reconsider(event, origin.correlationId));
        });
      });
    },
    async stop() {
      isStopped = true;
      unlisten();
      timer?.cancel();
      await working;
    },
  });
}
