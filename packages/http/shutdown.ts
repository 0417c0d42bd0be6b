/** Whether the server still takes requests, and how many it is busy with. */
export interface Shutdown {
  readonly begun: boolean;
  /** Aborted when the shutdown begins; streams that would never end by themselves listen to it. */
  readonly signal: AbortSignal;
  readonly inFlight: number;
  begin(): void;
  requestBegun(): void;
  /** Its answer is out, or its connection gone. */
  requestEnded(): void;
  /** Resolves when no request is in flight, at once when none is. */
  drained(): Promise<void>;
}

export function createShutdown(): Shutdown {
  const abort = new AbortController();
  let inFlight = 0;
  let waiting: (() => void)[] = [];
  return {
    get begun() {
      return abort.signal.aborted;
    },
    get inFlight() {
      return inFlight;
    },
    signal: abort.signal,
    begin() {
      if (!abort.signal.aborted) abort.abort(new Error("the server is stopping"));
    },
    requestBegun() {
      inFlight++;
    },
    requestEnded() {
      inFlight--;
      if (inFlight > 0) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    drained: () => (inFlight === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
