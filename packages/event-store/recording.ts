import { AsyncLocalStorage } from "node:async_hooks";
import type { DomainEvent } from "./event.js";

/** Takes note of what is published while a function runs. */
export class Recording {
  readonly events: DomainEvent<unknown>[] = [];
  readonly #passThrough: boolean;
  readonly #outer: Recording | undefined;
  #isOpen = true;

  constructor(passThrough: boolean, outer: Recording | undefined) {
    this.#passThrough = passThrough;
    this.#outer = outer;
  }

  /** True when the events end here: nothing is dispatched. */
  keep(events: readonly DomainEvent<unknown>[]): boolean {
    if (this.#isOpen) {
      this.events.push(...events);
      if (!this.#passThrough) return true;
    }
    return this.#outer?.keep(events) ?? false;
  }

  /** True when `keep` would be. */
  get keeps(): boolean {
    return (this.#isOpen && !this.#passThrough) || (this.#outer?.keeps ?? false);
  }

  close(): void {
    this.#isOpen = false;
  }
}

// One storage per process, however many copies of this package are installed: the matchers of one copy hear what a
// store of another copy publishes.
const storageKey = Symbol.for("signalbox.event-store.recording.v1");
const globals = globalThis as { [storageKey]?: AsyncLocalStorage<Recording> };
globals[storageKey] ??= new AsyncLocalStorage<Recording>();
const storage = globals[storageKey];

/** The recording that the running work belongs to. */
export function currentRecording(): Recording | undefined {
  return storage.getStore();
}

/**
 * Runs `work` and resolves with what was published by it and by everything that it called, in any store. Work beside it
 * is not heard. When it ends, also by an error, what it left running publishes for real.
 */
export async function record(
  work: () => unknown,
  { passThrough = false }: { readonly passThrough?: boolean } = {},
): Promise<readonly DomainEvent<unknown>[]> {
  const recording = new Recording(passThrough, currentRecording());
  try {
    await storage.run(recording, async () => work());
  } finally {
    recording.close();
  }
  return recording.events;
}
