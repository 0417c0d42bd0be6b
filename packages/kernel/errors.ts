/** What a catalogue says about one error code. `docs/errors.md` is generated from it. */
export interface ErrorEntry {
  /** One sentence: what went wrong. */
  readonly message: string;
  /** Whether the same call may succeed later without a change. */
  readonly retryable?: boolean;
  /** HTTP status where the error reaches a client. */
  readonly status?: number;
  /** What the reader can do about it. */
  readonly remedy?: string;
}

/** All codes of one package or service. Codes are unique over the whole product and never reused. */
export interface ErrorCatalogue<Code extends string = string> {
  /** Section of `docs/errors.md`. */
  readonly section: string;
  readonly entries: Readonly<Record<Code, ErrorEntry>>;
}

export function defineErrors<const Entries extends Readonly<Record<string, ErrorEntry>>>(
  section: string,
  entries: Entries,
): ErrorCatalogue<Extract<keyof Entries, string>> {
  return Object.freeze({ section, entries: Object.freeze({ ...entries }) }) as ErrorCatalogue<
    Extract<keyof Entries, string>
  >;
}

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly message?: string;
  readonly retryable?: boolean;
  readonly status?: number;
  /** Machine-readable facts about this occurrence; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * Base of every error that Signalbox throws on purpose.
 * `code` is stable and listed in `docs/errors.md`; `retryable` says whether repeating the same call can help.
 */
export class SignalboxError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly status: number | undefined;
  /** What the reader can do about it, as the catalogue says. */
  readonly remedy: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, entry: ErrorEntry, options: ErrorOptions = {}) {
    super(options.message ?? entry.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? entry.retryable ?? false;
    this.status = options.status ?? entry.status;
    this.remedy = entry.remedy;
    this.details = options.details ?? {};
  }
}

/** `code` of any error-like value, or `undefined`. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True when the error says of itself that repeating the call can help. */
export function isRetryable(error: unknown): boolean {
  return typeof error === "object" && error !== null && "retryable" in error && error.retryable === true;
}
