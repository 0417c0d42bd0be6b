import { AsyncResource } from "node:async_hooks";
import type { Logger } from "@signalbox/kernel";

/** Wake-ups inside this process. */
export interface LocalChannels {
  notify(channel: string): void;
  listen(channel: string, onNotify: () => void): () => void;
  /** Every channel that somebody listens to. */
  names(): string[];
  close(): void;
}

/** Wake-ups that come in one turn of the event loop are one; listeners run in the next. */
export function createLocalChannels(logger: Logger): LocalChannels {
  const listeners = new Map<string, Set<() => void>>();
  let pending = new Set<string>();

  const deliver = (): void => {
    const channels = pending;
    pending = new Set();
    for (const channel of channels) {
      for (const onNotify of listeners.get(channel) ?? []) {
        try {
          onNotify();
        } catch (error) {
          logger.error("A listener of a database channel failed", { error, channel });
        }
      }
    }
  };

  return {
    notify(channel) {
      if (!listeners.has(channel)) return;
      if (pending.size === 0) setImmediate(deliver);
      pending.add(channel);
    },
    listen(channel, onNotify) {
      // Runs in the context of whoever listens, not of whoever notifies; and listening twice is two subscriptions.
      const entry = AsyncResource.bind(() => onNotify());
      const entries = listeners.get(channel) ?? new Set();
      listeners.set(channel, entries.add(entry));
      return () => {
        entries.delete(entry);
        if (entries.size === 0 && listeners.get(channel) === entries) listeners.delete(channel);
      };
    },
    names: () => [...listeners.keys()],
    close() {
      listeners.clear();
    },
  };
}
