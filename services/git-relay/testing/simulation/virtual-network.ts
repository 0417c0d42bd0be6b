import type { VirtualClock } from "@signalbox/kernel";
import {
  type InformationSource,
  PeerConnectError,
  type PeerFailure,
  type PeerInformation,
  type PeerSocket,
  type PeerSocketEvents,
  type PeerUrl,
  type SocketFactory,
} from "../../sync/ports.js";
import type { SeededRandom } from "./seeded-random.js";

/** What a host does with those who come. */
export interface VirtualHost {
  readonly handshake: Handshake;
  /** What it says of itself; `"silent"`: the request is never answered. */
  readonly information: PeerInformation | null | "silent";
  /** A connection is open; returns who is to hear what comes over it. */
  accept(wire: Wire): WireEvents;
}

export interface Handshake {
  readonly afterMs: number;
  /** `"never"`: it takes the connection and does not answer. */
  readonly outcome: "open" | "never" | PeerFailure;
}

/** The far end of a connection. */
export interface Wire {
  send(text: string): void;
  /** The connection breaks. */
  cut(): void;
}

export interface WireEvents {
  onText(text: string): void;
  onClose(): void;
}

export interface VirtualNetworkOptions {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  /** How long one message travels; each a little differently, but none overtakes another on its connection. */
  readonly latencyMs?: { readonly least: number; readonly most: number };
}

/** Hosts by address, and the way to them. Everything takes time on the virtual clock, and nothing takes any other. */
export interface VirtualNetwork extends SocketFactory, InformationSource {
  add(url: string, host: VirtualHost): void;
  /** From now on its name means nothing. */
  remove(url: string): void;
  /** Connections that are open now. */
  readonly openConnections: number;
  /** Every attempt to connect so far, in order. */
  readonly attempts: readonly { readonly url: string; readonly atMs: number }[];
  /** Counts everything that happened, so that a test can tell that all is quiet. */
  readonly happenings: number;
}

const noSuchHost: PeerFailure = { kind: "dns", code: "ENOTFOUND", message: "there is no such host" };
const lost: PeerFailure = { kind: "lost", code: "ECONNRESET", message: "the connection was lost" };
const timedOut: PeerFailure = { kind: "timeout", code: "ETIMEDOUT", message: "there was no answer in time" };

export function createVirtualNetwork(options: VirtualNetworkOptions): VirtualNetwork {
  const { clock, random, latencyMs = { least: 5, most: 25 } } = options;
  const hosts = new Map<string, VirtualHost>();
  const attempts: { url: string; atMs: number }[] = [];
  let openConnections = 0;
  let happenings = 0;

  const travel = (): number => random.between(latencyMs.least, latencyMs.most);

  /** Carries things one way, in order. */
  const createLane = (deliver: (text: string) => void) => {
    const waiting: { readonly text: string; readonly dueMs: number }[] = [];
    let lastDueMs = 0;
    let isPaused = false;
    let timerSet = false;
    const arm = (): void => {
      const [head] = waiting;
      if (!head || timerSet || isPaused) return;
      timerSet = true;
      clock.setTimer(head.dueMs - clock.nowMs(), () => {
        timerSet = false;
        while (!isPaused && waiting[0] && waiting[0].dueMs <= clock.nowMs()) {
          happenings++;
          deliver(waiting.shift()?.text ?? "");
        }
        arm();
      });
    };
    return {
      send(text: string): void {
        lastDueMs = Math.max(lastDueMs, clock.nowMs() + travel());
        waiting.push({ text, dueMs: lastDueMs });
        arm();
      },
      setPaused(paused: boolean): void {
        isPaused = paused;
        arm();
      },
      drop: () => void waiting.splice(0),
    };
  };

  const connect = (host: VirtualHost, events: PeerSocketEvents): PeerSocket => {
    let isOpen = true;
    openConnections++;
    const end = (failure: PeerFailure | null): void => {
      if (!isOpen) return;
      isOpen = false;
      happenings++;
      openConnections--;
      toUs.drop();
      toThem.drop();
      far.onClose();
      events.onClose(failure);
    };
    const toUs = createLane((text) => events.onMessage(text));
    const toThem = createLane((text) => far.onText(text));
    const far = host.accept({
      send: (text) => {
        if (isOpen) toUs.send(text);
      },
      cut: () => end(lost),
    });
    return {
      send(text) {
        if (isOpen) toThem.send(text);
      },
      close: () => end(null),
      pause: () => toUs.setPaused(true),
      resume: () => toUs.setPaused(false),
    };
  };

  return {
    get openConnections() {
      return openConnections;
    },
    get happenings() {
      return happenings;
    },
    attempts,
    add: (url, host) => void hosts.set(url, host),
    remove: (url) => void hosts.delete(url),
    open(url: PeerUrl, events, { timeoutMs, signal }) {
      attempts.push({ url, atMs: clock.nowMs() });
      happenings++;
      return new Promise<PeerSocket>((resolve, reject) => {
        const host = hosts.get(url);
        const handshake: Handshake = host?.handshake ?? { afterMs: travel(), outcome: noSuchHost };
        const inTime = handshake.outcome !== "never" && handshake.afterMs <= timeoutMs;
        const refuse = (failure: PeerFailure): void => {
          happenings++;
          reject(new PeerConnectError(failure));
        };
        const onAbort = (): void => {
          timer.cancel();
          refuse({ kind: "refused", code: "ABORT_ERR", message: "the attempt was given up" });
        };
        const timer = clock.setTimer(inTime ? handshake.afterMs : timeoutMs, () => {
          signal.removeEventListener("abort", onAbort);
          if (!inTime) refuse(timedOut);
          else if (handshake.outcome !== "open") refuse(handshake.outcome);
          else if (!host || hosts.get(url) !== host) refuse(lost);
          else {
            happenings++;
            resolve(connect(host, events));
          }
        });
        if (signal.aborted) onAbort();
        else signal.addEventListener("abort", onAbort, { once: true });
      });
    },
    fetch(url: PeerUrl, signal) {
      const said = hosts.get(url)?.information ?? null;
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(null), { once: true });
        if (signal.aborted) resolve(null);
        else if (said !== "silent") {
          clock.setTimer(travel(), () => {
            happenings++;
            resolve(said);
          });
        }
      });
    },
  };
}
