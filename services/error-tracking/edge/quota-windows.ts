import type { Database } from "@signalbox/database";
import { type Clock, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import { overRows, runOverRows } from "../store/json-rows.js";

/** Something that is counted in windows of fixed length, which begin at multiples of it since the epoch. */
export interface WindowedCounter {
  readonly counter: string;
  readonly windowS: number;
}

/**
 * How much of each quota is used in its current window. Counted in memory, so that asking costs nothing, and merged with
 * the other processes through the database: what they counted is known here within a second, and a process that starts
 * again knows all but the last second. While the database is away each process goes by what it knows.
 */
export interface QuotaWindows {
  used(quota: WindowedCounter): number;
  add(quota: WindowedCounter, quantity: number): void;
  /** When the current window ends; wall clock. */
  endsAtMs(quota: WindowedCounter): number;
  readonly service: Service;
}

export interface QuotaWindowsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Counter {
  /** Number of the window since the epoch. */
  slot: number;
  readonly windowMs: number;
  /** Of all processes, as of the last look into the database. */
  merged: number;
  /** Counted here since then. */
  unmerged: number;
}

/** Together with the time that a merge takes, less than a second. */
const mergeMs = 500;
const cleanMs = 60_000;

const merge = overRows(`
  insert into error_quota_windows (counter, slot, used, ends_at_ms)
  select $0, $int(1), $int(2), $int(3) from $rows where true
  on conflict (counter, slot) do update set used = error_quota_windows.used + excluded.used
  returning counter, slot, used`);

interface WindowRow {
  readonly counter: string;
  readonly slot: number;
  readonly used: number;
}

interface StoredWindow extends WindowRow {
  readonly ends_at_ms: number;
}

export function createQuotaWindows({ database, clock, logger }: QuotaWindowsOptions): QuotaWindows {
  const counters = new Map<string, Counter>();
  let timer: Timer | undefined;
  let merging: Promise<void> = Promise.resolve();
  let stopped = false;
  let failing = false;
  let cleanAtMs = 0;

  const current = ({ counter: name, windowS }: WindowedCounter): Counter => {
    const windowMs = windowS * 1000;
    const slot = Math.floor(clock.nowMs() / windowMs);
    let counter = counters.get(name);
    if (counter === undefined) {
      counter = { slot, windowMs, merged: 0, unmerged: 0 };
      counters.set(name, counter);
    } else if (counter.slot !== slot) {
      counter.slot = slot;
      counter.merged = 0;
      counter.unmerged = 0;
    }
    return counter;
  };

  /** Takes what all processes counted together; what was counted here meanwhile stays on top. */
  const take = (rows: readonly WindowRow[], sent: ReadonlyMap<string, number>): void => {
    for (const { counter: name, slot, used } of rows) {
      const counter = counters.get(name);
      if (counter?.slot !== Number(slot)) continue;
      counter.merged = Number(used);
      counter.unmerged -= sent.get(name) ?? 0;
    }
  };

  const readWindows = async (nowMs: number): Promise<readonly StoredWindow[]> => {
    const { rows } = await database.run<StoredWindow>(
      "select counter, slot, used, ends_at_ms from error_quota_windows where ends_at_ms > ?",
      [nowMs],
    );
    return rows;
  };

  const mergeAll = async (): Promise<void> => {
    const nowMs = clock.nowMs();
    const rows: [string, number, number, number][] = [];
    for (const [name, { slot, windowMs, unmerged }] of counters) {
      const endsAtMs = (slot + 1) * windowMs;
      if (unmerged > 0) rows.push([name, slot, unmerged, endsAtMs]);
      else if (endsAtMs <= nowMs) counters.delete(name);
    }
    // In one order everywhere, so that two writers never wait for each other in a circle.
    rows.sort(([a], [b]) => (a < b ? -1 : 1));
    const merged = await runOverRows<WindowRow>(database, merge, rows);
    take(merged, new Map(rows.map(([name, , quantity]) => [name, quantity])));
    // One that is used up counts nothing more; what was given back would not be heard of.
    if ([...counters.values()].some((counter) => counter.merged > 0 && counter.unmerged === 0))
      take(await readWindows(nowMs), new Map());
    if (nowMs >= cleanAtMs) {
      await database.run("delete from error_quota_windows where ends_at_ms <= ?", [nowMs]);
      cleanAtMs = nowMs + cleanMs;
    }
  };

  const mergeQuietly = async (): Promise<void> => {
    try {
      await mergeAll();
      failing = false;
    } catch (error) {
      if (!failing) logger.warn("quotas cannot be compared with other processes", { error });
      failing = true;
    }
  };

  const arm = (): void => {
    timer = clock.setTimer(mergeMs, () => {
      merging = mergeQuietly().finally(() => {
        if (!stopped) arm();
      });
    });
  };

  return {
    used(quota) {
      const { merged, unmerged } = current(quota);
      return merged + unmerged;
    },
    add(quota, quantity) {
      current(quota).unmerged += quantity;
    },
    endsAtMs(quota) {
      const { slot, windowMs } = current(quota);
      return (slot + 1) * windowMs;
    },
    service: createService({
      name: "quota windows",
      async start() {
        for (const { counter, slot, used, ends_at_ms: endsAtMs } of await readWindows(clock.nowMs())) {
          const windowMs = Number(endsAtMs) / (Number(slot) + 1);
          const known = counters.get(counter);
          counters.set(counter, {
            slot: Number(slot),
            windowMs,
            merged: Number(used),
            unmerged: known?.slot === Number(slot) ? known.unmerged : 0,
          });
        }
        arm();
      },
      async stop() {
        stopped = true;
        timer?.cancel();
        await merging;
        await mergeQuietly();
      },
    }),
  };
}
