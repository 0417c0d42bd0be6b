import type { Database } from "@signalbox/database";
import type { Clock, Logger, Timer } from "@signalbox/kernel";
import { markVerified, readEvent, type VerifiedEvent } from "@signalbox/nostr";
import type { Fragment } from "./statement.js";

export interface FollowerOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  read<Row>(statement: Fragment): Promise<readonly Row[]>;
}

/** Hears what other processes store in the same database. */
export interface Follower {
  /** Inside a unit: these are our own. Wakes the others after the commit. */
  stored(ids: readonly string[]): void;
  follow(onEvent: (event: VerifiedEvent) => void): () => Promise<void>;
}

const channel = "relay_events";
/** A wake-up may be lost. */
const pollMs = 1_000;
const pageSize = 200;
/** Own ids that are remembered until they are read back. */
const maxOwnIds = 20_000;

export function createFollower({ database, clock, logger, read }: FollowerOptions): Follower {
  const own = new Set<string>();

  return {
    stored(ids) {
      for (const id of ids) own.add(id);
      for (const id of own) {
        if (own.size <= maxOwnIds) break;
        own.delete(id);
      }
      database.notify(channel);
    },

    follow(onEvent) {
      let last: number | undefined;
      let stopped = false;
      let woken = false;
      let timer: Timer | undefined;
      let reading: Promise<void> | undefined;

      const readOn = async (): Promise<void> => {
        if (last === undefined) {
          const [row] = await read<{ last: number | null }>({
            sql: "select max(seq) as last from relay_events",
            values: [],
          });
          last = row?.last ?? 0;
          return;
        }
        for (let more = true; more && !stopped; ) {
          const from: number = last;
          const rows: readonly { readonly seq: number; readonly raw: string }[] = await read({
            sql: "select seq, raw from relay_events where seq > ? order by seq limit ?",
            values: [from, pageSize],
          });
          for (const { seq, raw } of rows) {
            last = seq;
            const event = readEvent(JSON.parse(raw));
            // It was verified before it was stored.
            if (event.kind === "event" && !own.delete(event.event.id)) onEvent(markVerified(event.event));
          }
          more = rows.length === pageSize;
        }
      };
      const wake = (): void => {
        woken = true;
        if (reading || stopped) return;
        timer?.cancel();
        woken = false;
        reading = readOn()
          .catch((error: unknown) => logger.warn("events of other processes could not be read", { error }))
          .finally(() => {
            reading = undefined;
            if (stopped) return;
            if (woken) wake();
            else timer = clock.setTimer(pollMs, wake);
          });
      };
      const endListening = database.listen(channel, wake);
      wake();
      return async () => {
        stopped = true;
        timer?.cancel();
        endListening();
        await reading;
      };
    },
  };
}
