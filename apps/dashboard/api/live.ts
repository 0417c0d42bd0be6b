import { type QueryClient, type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

export type LiveState = "connecting" | "live" | "lost";

interface Listener {
  readonly topic: string;
  readonly changed: () => void;
}

/**
 * One connection to `/api/v1/stream` for all parts of a page, since browsers open few connections to a server. It
 * listens to the topics that anybody asks for.
 */
const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let source: EventSource | undefined;
let topics = "";
let lastId = "";
let state: LiveState = "connecting";
let scheduled: ReturnType<typeof setTimeout> | undefined;

function setState(next: LiveState): void {
  if (state === next) return;
  state = next;
  for (const watcher of watchers) watcher();
}

/** Parts of a page come and go together, so the connection is changed once for all of them. */
function reconnectSoon(): void {
  clearTimeout(scheduled);
  scheduled = setTimeout(reconnect, 50);
}

function reconnect(): void {
  const wanted = [...new Set([...listeners].map(({ topic }) => topic))].sort().join(",");
  if (wanted === topics) return;
  topics = wanted;
  source?.close();
  source = undefined;
  setState("connecting");
  if (wanted === "") return;
  // What a page has read before its connection stood may have changed since: the server repeats what came after the last
  // id that is known here. Without one nobody knows, and everything is read again.
  const after = lastId;
  const opened = new EventSource(
    `/api/v1/stream?${new URLSearchParams({ topics: wanted, ...(after && { last_event_id: after }) })}`,
  );
  source = opened;
  const tell = (topic?: string): void => {
    for (const listener of listeners) if (topic === undefined || listener.topic === topic) listener.changed();
  };
  const on = (name: string, then: () => void): void =>
    opened.addEventListener(name, ({ lastEventId }: MessageEvent) => {
      if (source !== opened) return;
      lastId = lastEventId;
      then();
    });
  for (const topic of wanted.split(",")) on(topic, () => tell(topic));
  on("reset", () => tell());
  on("ready", () => {
    if (after === "") tell();
  });
  opened.addEventListener("open", () => setState("live"));
  opened.addEventListener("error", () => {
    if (source !== opened) return;
    setState("lost");
    // The browser connects anew by itself, unless the server has refused.
    if (opened.readyState === EventSource.CLOSED) {
      topics = "";
      setTimeout(reconnectSoon, 5_000);
    }
  });
}

/** Changes of a topic come in bursts; reading again once in a while is enough. */
const readAgainAfterMs = 400;

/** Has the queries below a key read again when something changes that they depend on. */
export function useLive(changes: Readonly<Record<string, QueryKey>>): void {
  const queries = useQueryClient();
  const text = JSON.stringify(changes);
  useEffect(() => {
    const own = Object.entries(JSON.parse(text) as Record<string, QueryKey>).map(([topic, queryKey]) =>
      listen(topic, queryKey, queries),
    );
    return () => {
      for (const end of own) end();
    };
  }, [text, queries]);
}

function listen(topic: string, queryKey: QueryKey, queries: QueryClient): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isReading = false;
  let hasChanged = false;
  let isOver = false;
  const schedule = (afterMs: number): void => {
    if (!isOver) timer ??= setTimeout(() => void readAgain(), afterMs);
  };
  /**
   * Nothing that is being read is asked for anew: the server would go on with what nobody waits for any more, and a page
   * would never be done while changes come faster than answers. What has changed meanwhile is read afterwards.
   */
  const readAgain = async (): Promise<void> => {
    timer = undefined;
    isReading = true;
    hasChanged = queries.isFetching({ queryKey }) > 0;
    const startedMs = performance.now();
    await queries.invalidateQueries({ queryKey }, { cancelRefetch: false });
    isReading = false;
    // A slow server gets as much rest as work.
    if (hasChanged) schedule(Math.max(readAgainAfterMs, performance.now() - startedMs));
  };
  const listener: Listener = {
    topic,
    changed() {
      if (isReading) hasChanged = true;
      else schedule(readAgainAfterMs);
    },
  };
  listeners.add(listener);
  reconnectSoon();
  return () => {
    isOver = true;
    clearTimeout(timer);
    listeners.delete(listener);
    reconnectSoon();
  };
}

/** Whether changes arrive by themselves just now. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(watch, () => state);
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}
