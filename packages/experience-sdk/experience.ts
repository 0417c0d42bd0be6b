import type { Extras } from "./extras.js";
import type { Recorded } from "./recorder.js";
import type { Run } from "./run.js";

/**
 * A journey under way, as the code that takes part in it sees it. No call waits or does I/O, and none throws, except for
 * reserved names of extras in development and test. What makes no sense, such as a checkpoint after the end, does
 * nothing and warns once.
 */
export interface Experience {
  readonly id: string;
  /** Absent when it was not started. */
  readonly correlationId: string | undefined;
  readonly run: string | undefined;
  readonly state: "unstarted" | "active" | "ended";
  /** Whether an error was marked. */
  readonly hasError: boolean;
  /** Records that the journey got so far. A category is letters, digits, `_`, `.`, `:` and `-`, at most 64. */
  checkpoint(category?: string, extra?: Extras): this;
  /** Records the end: an error when one was marked, else success. */
  complete(extra?: Extras): this;
  /** Marks an error; the journey goes on until `complete`. The first one marked is reported. */
  error(error: unknown): this;
  /**
   * Records an end that counts neither as success nor as error, for mistakes of users and of configuration.
   * @param reason lower-case letters, digits and `_`; default `unspecified`
   */
  discard(reason?: string): this;
}

export type EndOutcome = "success" | "error" | "discarded";

/** What a handle tells its client. */
export interface ExperienceHost {
  record(experience: StartedExperience, checkpoint: Recorded): void;
  errorMarked(experience: StartedExperience, error: unknown): void;
  misused(experienceId: string, misuse: string): void;
}

/** A run with its marked error. */
export class StartedExperience implements Experience {
  readonly id: string;
  readonly runRecord: Run;
  readonly #host: ExperienceHost;
  #ended = false;
  #error: { readonly value: unknown } | undefined;

  constructor(run: Run, host: ExperienceHost) {
    this.id = run.experienceId;
    this.runRecord = run;
    this.#host = host;
  }

  get correlationId(): string {
    return this.runRecord.correlationId;
  }

  get run(): string {
    return this.runRecord.name;
  }

  get state(): "active" | "ended" {
    return this.#ended ? "ended" : "active";
  }

  get hasError(): boolean {
    return this.#error !== undefined;
  }

  checkpoint(category?: string, extra?: Extras): this {
    if (this.#ended) return this.#misuse("checkpoint");
    this.#host.record(this, { kind: "intermediate", category, extra });
    return this;
  }

  complete(extra?: Extras): this {
    if (this.#ended) return this.#misuse("complete");
    const marked = this.#error;
    return this.#end({ kind: "end", outcome: marked ? "error" : "success", error: marked?.value, extra });
  }

  error(error: unknown): this {
    if (this.#ended) return this.#misuse("error");
    this.#error ??= { value: error };
    this.#host.errorMarked(this, error);
    return this;
  }

  discard(reason?: string): this {
    if (this.#ended) return this.#misuse("discard");
    return this.#end({ kind: "end", outcome: "discarded", reason });
  }

  #end(checkpoint: Recorded): this {
    this.#host.record(this, checkpoint);
    // Behind it: a reserved name is thrown with the end still to come.
    this.#ended = true;
    return this;
  }

  #misuse(call: string): this {
    this.#host.misused(this.id, `${call} after the end`);
    return this;
  }
}

/** Stands where there is no run: calls do nothing. */
export class AbsentExperience implements Experience {
  readonly id: string;
  readonly correlationId = undefined;
  readonly run = undefined;
  readonly state = "unstarted";
  readonly #misused: ((misuse: string) => void) | undefined;
  #hasError = false;

  /** @param misused called for calls that expect a run; absent when silence is meant */
  constructor(id: string, misused?: (misuse: string) => void) {
    this.id = id;
    this.#misused = misused;
  }

  get hasError(): boolean {
    return this.#hasError;
  }

  checkpoint(): this {
    return this.#misuse("checkpoint");
  }

  complete(): this {
    return this.#misuse("complete");
  }

  error(_error: unknown): this {
    this.#hasError = true;
    return this;
  }

  discard(): this {
    return this.#misuse("discard");
  }

  #misuse(call: string): this {
    this.#misused?.(`${call} before the start`);
    return this;
  }
}
