import type { Clock, Logger, Timer } from "@signalbox/kernel";
import { type EventBlobs, letterHolder } from "./event-blobs.js";
import type { Limits } from "./limits.js";
import type { Records } from "./records/records.js";
import { returnStranded } from "./replay.js";
import type { Transport } from "./transports/transport.js";

export interface HousekeepingOptions {
  readonly transport: Transport;
  readonly records: Records;
  readonly eventBlobs: EventBlobs | undefined;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Letters whose replay broke off are dead again within a minute. */
const strandedPollMs = 20_000;
const strandedAfterMs = 30_000;
const retentionPollMs = 3_600_000;
const rowsAtOnce = 500;
const dayMs = 86_400_000;

/** Does what is due now and then, until it is stopped: ends what broke off, forgets what has had its time. */
export function startHousekeeping(options: HousekeepingOptions): { stop(): void } {
  const { clock, logger } = options;
  const stopped = new AbortController();
  const timers = new Set<Timer>();

  const every = (periodMs: number, name: string, work: () => Promise<void>): void => {
    if (stopped.signal.aborted) return;
    const timer = clock.setTimer(periodMs, () => {
      timers.delete(timer);
      work()
        .catch((error: unknown) => logger.warn("housekeeping failed", { error, task: name }))
        .finally(() => every(periodMs, name, work));
    });
    timers.add(timer);
  };

  const { transport, records } = options;
  if (records.shared)
    every(strandedPollMs, "replays", () => returnStranded(clock.nowMs() - strandedAfterMs, { transport, records }));
  every(retentionPollMs, "retention", () => forgetOld(options));
  every(retentionPollMs, "orphans", async () => options.eventBlobs?.deleteOrphans(stopped.signal));

  return {
    stop() {
      stopped.abort();
      for (const timer of timers) timer.cancel();
    },
  };
}

async function forgetOld({ records, eventBlobs, limits, clock, logger }: HousekeepingOptions): Promise<void> {
  const nowMs = clock.nowMs();
  while ((await records.forgetOnce(nowMs - limits.inboxRetentionMs, rowsAtOnce)) === rowsAtOnce);
  const expired = new Map<string, number>();
  for (let full = true; full; ) {
    const letters = await records.deadLetters.expire(nowMs - limits.deadRetentionDays * dayMs, rowsAtOnce);
    for (const { id, subscription } of letters) {
      await eventBlobs?.release(letterHolder(id));
      expired.set(subscription, (expired.get(subscription) ?? 0) + 1);
    }
    full = letters.length === rowsAtOnce;
  }
  for (const [subscription, count] of expired) logger.warn("dead letters expired", { subscription, count });
}
