import { type Clock, systemClock, type Timer } from "./clock.js";

export interface PulseOptions {
  /** Asks the server for any sign of life, on a connection that nothing else waits on. Rejects when there is none. */
  readonly ask: (signal: AbortSignal) => Promise<void>;
  /** It gave none: whoever waits for an answer should be told. */
  readonly onSilent: (cause: unknown) => void;
  /** It answers again. */
  readonly onBack?: () => void;
  readonly clock?: Clock;
  /** How long nothing may be answered until the server is asked. Default: 2 s. */
  readonly quietMs?: number;
  /** How long it may take to answer that. Default: 2.5 s. */
  readonly askMs?: number;
  /** Time between two questions to a silent server. Default: 1 s. */
  readonly againMs?: number;
}

/**
 * Tells a server that hangs from one that works on something long. A stopped process and a network that swallows everything
 * refuse nothing: without this every call would wait until its own limit, which has room for the slowest statement.
 *
 * While anything waits and nothing was answered for `quietMs`, the server is asked once; without an answer within `askMs` it is
 * silent, and asked again every `againMs` until it answers. Time during which this process did not get to run does not count.
 */
export interface Pulse {
  /** True from `onSilent` to `onBack`. New calls need not be tried. */
  readonly isSilent: boolean;
  /** A call waits for the server from now on. */
  began(): void;
  /** It waits no longer. `answered`: because the server said something. */
  ended(answered: boolean): void;
  close(): void;
}

/** Silence is counted in these, so that a process that was held up itself does not blame the server. */
const tickMs = 100;

export function createPulse(options: PulseOptions): Pulse {
  const { ask, onSilent, onBack, clock = systemClock, quietMs = 2_000, askMs = 2_500, againMs = 1_000 } = options;
  let waiting = 0;
  let quietTicks = 0;
  let silent = false;
  let asking = false;
  let closed = false;
  let timer: Timer | undefined;

  const countTicks = (ms: number, done: () => boolean, then: () => void): void => {
    let ticks = 0;
    const tick = (): void => {
      if (closed || done()) return;
      if (++ticks * tickMs >= ms) then();
      else clock.setTimer(tickMs, tick);
    };
    clock.setTimer(tickMs, tick);
  };

  /** Resolves with the reason when there was no sign of life. */
  const listen = async (): Promise<{ readonly cause: unknown } | undefined> => {
    const patience = new AbortController();
    let over = false;
    countTicks(
      askMs,
      () => over,
      () => patience.abort(new Error(`no answer within ${askMs} ms`)),
    );
    try {
      await ask(patience.signal);
      return undefined;
    } catch (cause) {
      return { cause };
    } finally {
      over = true;
    }
  };

  const askUntilBack = async (): Promise<void> => {
    while (!closed) {
      await new Promise<void>((resolve) => clock.setTimer(againMs, resolve));
      if (closed || (await listen())) continue;
      silent = false;
      onBack?.();
      return;
    }
  };

  const askOnce = async (): Promise<void> => {
    asking = true;
    const nothing = await listen();
    asking = false;
    quietTicks = 0;
    if (!nothing || closed || waiting === 0) return;
    silent = true;
    onSilent(nothing.cause);
    void askUntilBack();
  };

  const tick = (): void => {
    timer = undefined;
    if (closed || waiting === 0 || silent) return;
    if (!asking && ++quietTicks * tickMs >= quietMs) void askOnce();
    timer = clock.setTimer(tickMs, tick);
  };

  return {
    get isSilent() {
      return silent;
    },
    began() {
      if (waiting++ === 0) quietTicks = 0;
      timer ??= clock.setTimer(tickMs, tick);
    },
    ended(answered) {
      waiting--;
      if (answered) quietTicks = 0;
    },
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}
