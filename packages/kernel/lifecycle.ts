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

/** Gives `parts` the promises of `Service`: each part runs at most once, and stop waits for a start under way. */
export function createService(parts: ServiceParts): Service {
  const abort = new AbortController();
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  return {
    name: parts.name,
    start() {
      starting ??= stopping ? Promise.resolve() : parts.start(abort.signal);
      return starting;
    },
    stop(options = {}) {
      stopping ??= (async () => {
        abort.abort(new Error(`${parts.name} is stopping`));
        await starting?.catch(() => {});
        await parts.stop(options);
      })();
      return stopping;
    },
  };
}

/**
 * Starts services in order and stops them in reverse. When one fails to start, those already started are
 * stopped again before the error is thrown. A failing stop does not keep the others from stopping.
 */
export function createServiceGroup(name: string, services: readonly Service[]): Service {
  const started: Service[] = [];
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
  return createService({
    name,
    async start(signal) {
      try {
        for (const service of services) {
          signal.throwIfAborted();
          started.push(service);
          await service.start();
        }
      } catch (error) {
        await stopAll({}).catch(() => {});
        throw error;
      }
    },
    stop: stopAll,
  });
}
