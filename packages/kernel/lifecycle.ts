/** Something that runs. Both calls may be repeated and may overlap. */
export interface Service {
  readonly name: string;
  /** Starting twice is one start. */
  start(): Promise<void>;
  /**
   * Stops intake, finishes or hands back work, releases resources. A second call joins the first.
   * Also valid while `start` is under way, and without a start.
   */
  stop(options?: StopOptions): Promise<void>;
}

export interface StopOptions {
  /** How long work under way may take before it is handed back. */
  readonly deadlineMs?: number;
}

export interface ServiceParts {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  stop(options: StopOptions): Promise<void>;
}

/**
 * Gives `parts` the promises of `Service`: each part runs at most once, and stop waits for a start under way, whose
 * signal it aborts first. A start after a stop does nothing.
 */
export function createService(parts: ServiceParts): Service {
  const abort = new AbortController();
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  const start = async (): Promise<void> => {
    if (!stopping) await parts.start(abort.signal);
  };
  const stop = async (options: StopOptions): Promise<void> => {
    abort.abort(new Error(`${parts.name} is stopping`));
    await starting?.catch(() => {});
    await parts.stop(options);
  };
  return {
    name: parts.name,
    start() {
      starting ??= start();
      return starting;
    },
    stop(options = {}) {
      stopping ??= stop(options);
      return stopping;
    },
  };
}

/**
 * Starts services in order and stops them in reverse. When one fails to start, those already started are
 * stopped again before the error is thrown. A failing stop does not keep the others from stopping.
 * A stop while one of them starts reaches that one first, so that it can give up.
 */
export function createServiceGroup(name: string, services: readonly Service[]): Service {
  const started: Service[] = [];
  let stopOptions: StopOptions = {};
  const stopAll = async (options: StopOptions): Promise<void> => {
    const failures: unknown[] = [];
    for (const service of started.splice(0).reverse()) {
      try {
        await service.stop(options);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, `${name} did not stop cleanly`);
  };
  const startAll = async (signal: AbortSignal): Promise<void> => {
    // The failure of this stop is reported by `stopAll`, which joins it.
    signal.addEventListener(
      "abort",
      () =>
        void started
          .at(-1)
          ?.stop(stopOptions)
          .catch(() => {}),
      { once: true },
    );
    for (const service of services) {
      signal.throwIfAborted();
      started.push(service);
      await service.start();
    }
  };
  const group = createService({
    name,
    async start(signal) {
      try {
        await startAll(signal);
      } catch (error) {
        // When a stop is the cause, it stops them itself, within its own deadline.
        if (!signal.aborted) await stopAll({}).catch(() => {});
        throw error;
      }
    },
    stop: stopAll,
  });
  return {
    ...group,
    stop(options = {}) {
      stopOptions = options;
      return group.stop(options);
    },
  };
}
