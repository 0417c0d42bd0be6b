import { type Clock, createService, type Logger, type Service } from "@signalbox/kernel";

export interface LoopOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One round; resolves with how long to wait before the next one. */
  round(signal: AbortSignal): Promise<number>;
  /** How long to wait after a round that failed. */
  readonly pauseAfterFailureMs?: number;
  /** Called with what a round threw, in place of the log line. */
  readonly onFailure?: (error: unknown) => void;
}

export interface Loop {
  readonly service: Service;
  /** Ends the present wait. */
  wake(): void;
}

/** Repeats a round until it is stopped; a stop waits for the round under way. */
export function createLoop(options: LoopOptions): Loop {
  const { name, clock, logger } = options;
  const stopping = new AbortController();
  let endSleep: (() => void) | undefined;
  let woken = false;
  let running: Promise<void> | undefined;

  const sleep = async (delayMs: number): Promise<void> => {
    if (woken || stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(delayMs, resolve);
      endSleep = () => {
        timer.cancel();
        resolve();
      };
    });
    endSleep = undefined;
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      woken = false;
      let delayMs = options.pauseAfterFailureMs ?? 1_000;
      try {
        delayMs = await options.round(stopping.signal);
      } catch (error) {
        if (options.onFailure) options.onFailure(error);
        else logger.warn("a round failed and is repeated", { loop: name, error });
      }
      await sleep(delayMs);
    }
  };

  return {
    wake() {
      woken = true;
      endSleep?.();
    },
    service: createService({
      name,
      async start() {
        running = run();
      },
      async stop() {
        stopping.abort();
        endSleep?.();
        await running;
      },
    }),
  };
}
