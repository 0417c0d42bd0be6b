import type { Clock, Timer } from "@signalbox/kernel";
import {
  createItemSetBuilder,
  createNegentropyResponder,
  type Filter,
  type ItemSet,
  type NegentropyResponder,
  NostrError,
  readNegentropyHex,
} from "@signalbox/nostr";
import type { RelayEvents, StreamOptions } from "../store/port.js";

export interface NegentropySessions {
  /** Takes a snapshot of what matches and answers the first message. A used id replaces that session. */
  open(id: string, filter: Filter, message: unknown, options: StreamOptions): Promise<void>;
  receive(id: string, message: unknown): void;
  close(id: string): void;
  closeAll(): void;
}

export interface NegentropySessionsOptions {
  readonly events: RelayEvents;
  readonly clock: Clock;
  readonly maxRecords: number;
  send(text: string): void;
  /** Called after each answer with how many items were added up for it. */
  onWork(items: number): void;
}

interface Session {
  /** Absent while the snapshot is taken. */
  responder: NegentropyResponder | undefined;
  timer: Timer;
}

const maxSessions = 20;
const idleMs = 60_000;

/** The reconciliations of one connection, as the side that answers (NIP-77). */
export function createNegentropySessions(options: NegentropySessionsOptions): NegentropySessions {
  const { events, clock, maxRecords, send, onWork } = options;
  const sessions = new Map<string, Session>();

  const refuse = (id: string, reason: string, ...more: number[]): void =>
    send(JSON.stringify(["NEG-ERR", id, reason, ...more]));
  const close = (id: string): void => {
    sessions.get(id)?.timer.cancel();
    sessions.delete(id);
  };
  const expireLater = (id: string): Timer =>
    clock.setTimer(idleMs, () => {
      close(id);
      refuse(id, "closed: nothing was said for 60 seconds");
    });
  /** Ends the session when the message cannot be read. */
  const answer = (id: string, session: Session, message: unknown): void => {
    try {
      if (typeof message !== "string") throw new NostrError("NEGENTROPY_MALFORMED");
      const before = session.responder?.summed ?? 0;
      const reply = session.responder?.receive(readNegentropyHex(message));
      onWork((session.responder?.summed ?? 0) - before);
      if (reply) send(JSON.stringify(["NEG-MSG", id, Buffer.from(reply).toString("hex")]));
    } catch (error) {
      if (!(error instanceof NostrError)) throw error;
      close(id);
      refuse(id, `invalid: ${error.message}`);
    }
  };

  return {
    async open(id, filter, message, streamOptions) {
      close(id);
      if (sessions.size >= maxSessions) {
        refuse(id, `blocked: more than ${maxSessions} sessions`);
        return;
      }
      const session: Session = { responder: undefined, timer: expireLater(id) };
      sessions.set(id, session);
      const isCurrent = (): boolean => sessions.get(id) === session;
      const items = await takeSnapshot(events, filter, streamOptions, maxRecords, isCurrent);
      if (!isCurrent()) return;
      if (items === "too many") {
        close(id);
        refuse(id, "blocked: too many records", maxRecords);
        return;
      }
      session.responder = createNegentropyResponder(items);
      answer(id, session, message);
    },
    receive(id, message) {
      const session = sessions.get(id);
      if (!session?.responder) {
        refuse(id, "closed: there is no such session");
        return;
      }
      session.timer.cancel();
      session.timer = expireLater(id);
      answer(id, session, message);
    },
    close,
    closeAll() {
      for (const id of [...sessions.keys()]) close(id);
    },
  };
}

async function takeSnapshot(
  events: RelayEvents,
  filter: Filter,
  options: StreamOptions,
  maxRecords: number,
  isCurrent: () => boolean,
): Promise<ItemSet | "too many"> {
  const builder = createItemSetBuilder();
  const limit = filter.limit ?? Number.POSITIVE_INFINITY;
  const stream = events.stream(filter, { ...options, isCancelled: () => !isCurrent() });
  while (builder.size < limit && isCurrent()) {
    const page = await stream.next();
    if (page.length === 0) break;
    for (const { id, createdAt } of page) {
      if (builder.size >= limit) break;
      builder.add(createdAt, id);
    }
    if (builder.size > maxRecords) return "too many";
  }
  return builder.seal();
}
