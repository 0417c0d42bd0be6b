import { type Clock, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import type { RelayEvents } from "./store/port.js";

export interface ExpiryOptions {
  readonly events: RelayEvents;
  readonly clock: Clock;
  readonly logger: Logger;
}

const sweepMs = 60_000;

/** Removes events that have ended, each minute. Nobody sees them meanwhile. */
export function createExpiry({ events, clock, logger }: ExpiryOptions): Service {
  let timer: Timer | undefined;
  let sweeping: Promise<void> = Promise.resolve();
  let stopped = false;

  const sweep = async (): Promise<void> => {
    try {
      while (!stopped && (await events.removeExpired(Math.floor(clock.nowMs() / 1_000))) > 0);
    } catch (error) {
      logger.warn("ended events could not be removed", { error });
    }
  };
  const schedule = (): void => {
    timer = clock.setTimer(sweepMs, () => {
      sweeping = sweep().finally(() => {
        if (!stopped) schedule();
      });
    });
  };
  return createService({
    name: "relay expiry",
    start: async () => schedule(),
    async stop() {
      stopped = true;
      timer?.cancel();
      await sweeping;
    },
  });
}
