import { encodeEvent, type FilterJson, type NostrEvent, readEvent } from "@signalbox/nostr";
import { WebSocket } from "ws";

/** A client of any relay, as far as tests need one. Every promise rejects when the connection ends first. */
export interface RelayClient {
  /** Resolves when the relay has taken all of them. @throws {Error} with its reason when it refuses one */
  publish(events: readonly NostrEvent[]): Promise<void>;
  /** All stored events that match, page by page. */
  query(filter: FilterJson): Promise<readonly NostrEvent[]>;
  /** Calls back for events from now on; resolves when they would be seen. */
  follow(filter: FilterJson, onEvent: (event: NostrEvent) => void): Promise<void>;
  close(): void;
}

/** Unanswered events at one time. */
const atOnce = 100;

export async function connectRelay(url: string): Promise<RelayClient> {
  const socket = new WebSocket(url, { maxPayload: 0 });
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  socket.on("error", () => {});
  const listeners = new Set<(message: readonly unknown[]) => void>();
  const closed = new Promise<never>((_, reject) => {
    socket.once("close", () => reject(new Error(`${url} ended the connection`)));
  });
  closed.catch(() => {});
  socket.on("message", (data) => {
    const message: unknown = JSON.parse(String(data));
    if (Array.isArray(message)) for (const listener of listeners) listener(message);
  });
  let subscriptions = 0;

  /** Listens until `onMessage` settles it. */
  const listen = <T>(
    begin: () => void,
    onMessage: (message: readonly unknown[], resolve: (value: T) => void, reject: (error: Error) => void) => void,
  ): Promise<T> => {
    let listener: (message: readonly unknown[]) => void = () => {};
    const heard = new Promise<T>((resolve, reject) => {
      listener = (message) => onMessage(message, resolve, reject);
      listeners.add(listener);
      begin();
    });
    return Promise.race([heard, closed]).finally(() => listeners.delete(listener));
  };

  const publishSome = (events: readonly NostrEvent[]): Promise<void> => {
    const open = new Set(events.map(({ id }) => id));
    return listen<void>(
      () => {
        for (const event of events) socket.send(`["EVENT",${encodeEvent(event)}]`);
      },
      ([verb, id, accepted, text], resolve, reject) => {
        if (verb !== "OK" || typeof id !== "string" || !open.delete(id)) return;
        if (accepted !== true) reject(new Error(`${url} refused ${id}: ${String(text)}`));
        else if (open.size === 0) resolve();
      },
    );
  };

  const page = (filter: FilterJson): Promise<NostrEvent[]> => {
    const id = `page-${++subscriptions}`;
    const found: NostrEvent[] = [];
    return listen<NostrEvent[]>(
      () => socket.send(JSON.stringify(["REQ", id, filter])),
      ([verb, subscription, content], resolve, reject) => {
        if (subscription !== id) return;
        if (verb === "EVENT") found.push(eventOf(content));
        else if (verb === "CLOSED") reject(new Error(`${url} refused a request: ${String(content)}`));
        else if (verb === "EOSE") {
          socket.send(JSON.stringify(["CLOSE", id]));
          resolve(found);
        }
      },
    );
  };

  return {
    async publish(events) {
      for (let from = 0; from < events.length; from += atOnce) await publishSome(events.slice(from, from + atOnce));
    },
    async query(filter) {
      const found = new Map<string, NostrEvent>();
      for (let until: number | undefined; ; ) {
        const events = await page(until === undefined ? filter : { ...filter, until });
        if (events.length === 0) return [...found.values()];
        const news = events.filter(({ id }) => !found.has(id));
        for (const event of news) found.set(event.id, event);
        // A page of known events may be full of those of one second.
        until = Math.min(...events.map(({ created_at }) => created_at)) - (news.length === 0 ? 1 : 0);
      }
    },
    follow(filter, onEvent) {
      const id = `follow-${++subscriptions}`;
      listeners.add(([verb, subscription, content]) => {
        if (verb === "EVENT" && subscription === id) onEvent(eventOf(content));
      });
      return listen<void>(
        () => socket.send(JSON.stringify(["REQ", id, { ...filter, limit: 0 }])),
        ([verb, subscription], resolve) => {
          if (verb === "EOSE" && subscription === id) resolve();
        },
      );
    },
    close: () => socket.terminate(),
  };
}

function eventOf(value: unknown): NostrEvent {
  const read = readEvent(value);
  if (read.kind === "invalid") throw new Error(`a relay sent no event: ${read.reason}`);
  return read.event;
}
