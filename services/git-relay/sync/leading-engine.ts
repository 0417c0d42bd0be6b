import { type Clock, createService, type Logger, type Timer } from "@signalbox/kernel";
import { type Lease, leaseMs } from "./lease.js";
import type { SyncEngine } from "./options.js";
import type { PeerUrl } from "./ports.js";

export interface LeadingEngineOptions {
  readonly lease: Lease;
  /** Makes an engine that has not run yet. */
  create(): SyncEngine;
  /** An engine ended because another process goes on; it had these peers. */
  onRetired(peers: readonly PeerUrl[]): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const askEveryMs = 5_000;

/**
 * An engine that runs while this process has the lease. When the process that has it ends, another one takes over at
 * once; when it is lost, within 30 seconds. Where it does not run it is as if there were no peers.
 */
export function createLeadingEngine({ lease, create, onRetired, clock, logger }: LeadingEngineOptions): SyncEngine {
  let engine: SyncEngine | undefined;
  let keptAtMs = 0;
  let timer: Timer | undefined;
  let round: Promise<void> = Promise.resolve();
  let isStopped = false;

  /** Whether the lease is ours; what cannot be asked is as it was, until the lease is over. */
  const leads = async (): Promise<boolean> => {
    try {
      const askedAtMs = clock.monotonicMs();
      const isOurs = await lease.take();
      if (isOurs) keptAtMs = askedAtMs;
      return isOurs;
    } catch (error) {
      logger.warn("it is not known which process syncs with peers", { error });
      return engine !== undefined && clock.monotonicMs() - keptAtMs < leaseMs;
    }
  };

  const adjust = async (): Promise<void> => {
    const isLeader = await leads();
    if (isLeader && !engine && !isStopped) {
      logger.info("this process syncs with peers");
      engine = create();
      await engine.start();
    } else if (!isLeader && engine) {
      logger.info("another process syncs with peers");
      const retired = engine;
      engine = undefined;
      const peers = retired.peers().map(({ url }) => url);
      await retired.stop();
      onRetired(peers);
    }
  };

  const begin = (): Promise<void> => {
    round = adjust()
      .catch((error: unknown) => logger.error("the sync with peers could not be started or ended", { error }))
      .finally(() => {
        if (!isStopped) timer = clock.setTimer(askEveryMs, () => void begin());
      });
    return round;
  };

  return {
    ...createService({
      name: "sync",
      start: () => begin(),
      async stop(options) {
        isStopped = true;
        timer?.cancel();
        await round;
        await engine?.stop(options);
        await lease.release().catch((error: unknown) => logger.warn("the lease could not be given up", { error }));
      },
    }),
    isActive: () => engine !== undefined,
    peers: () => engine?.peers() ?? [],
    peer: (url) => engine?.peer(url) ?? null,
    overLimit: () => engine?.overLimit() ?? [],
    repair: (url) => engine?.repair(url) ?? false,
    retry: (url) => engine?.retry(url) ?? null,
    forget: async (url) => (await engine?.forget(url)) ?? false,
    syncAgain: (what) => engine?.syncAgain(what),
  };
}
