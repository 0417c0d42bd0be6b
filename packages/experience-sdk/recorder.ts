import type { CheckpointKind } from "@signalbox/experience/payload";
import type { Drops } from "./drops.js";
import type { EndOutcome } from "./experience.js";
import { type Extras, errorText, metaText } from "./extras.js";
import type { LocalCounts } from "./local-counts.js";
import { isName } from "./names.js";
import type { Platform } from "./platform.js";
import type { Waiting } from "./queue.js";
import { type Run, runTimeMs } from "./run.js";
import type { WarnOnce } from "./warn-once.js";

/** What happened, as the caller said it. */
export interface Recorded {
  readonly kind: CheckpointKind;
  /** When it happened; default now. */
  readonly atMs?: number | undefined;
  readonly category?: string | undefined;
  /** Of an end. */
  readonly outcome?: EndOutcome | undefined;
  readonly error?: unknown;
  /** Of a discard. */
  readonly reason?: string | undefined;
  readonly extra?: Extras | undefined;
}

/** Takes note of checkpoints: one append to a bounded queue, nothing that waits. */
export interface Recorder {
  /** @throws {ExperienceSdkError} `EXPERIENCE_RESERVED_KEY`, only when strict; then nothing is recorded. */
  record(run: Run, checkpoint: Recorded): void;
  /** From now on everything is dropped. */
  close(): void;
}

export interface RecorderOptions {
  readonly platform: Platform;
  readonly strict: boolean;
  readonly warn: WarnOnce;
  readonly drops: Drops;
  /** Takes what is to be sent, at once. Absent when nothing is. */
  readonly enqueue: ((checkpoint: Waiting) => void) | undefined;
  /** Absent when nothing is counted here. */
  readonly local: LocalCounts | undefined;
  readonly onQueued: () => void;
}

const categoryPattern = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/;

function isCategory(value: unknown): boolean {
  return typeof value === "string" && categoryPattern.test(value);
}

/** What the fields take at most that every checkpoint has. Each is bounded and plain ASCII. */
const commonBytes = 760;

export function createRecorder(options: RecorderOptions): Recorder {
  const { platform, warn, drops, local } = options;
  const extrasOptions = { strict: options.strict, warn };
  let closed = false;

  const checked = (
    run: Run,
    what: string,
    name: string | undefined,
    isValid: (name: unknown) => boolean,
  ): string | undefined => {
    if (name === undefined || isValid(name)) return name;
    warn(`${what} ${run.experienceId}`, `a ${what} is not valid and is left out`, {
      covered_experience_id: run.experienceId,
    });
    return undefined;
  };

  const endText = (run: Run, { outcome, error, reason }: Recorded): string => {
    if (outcome === "discarded")
      return `,"outcome":"discarded","discard_reason":"${checked(run, "discard reason", reason, isName) ?? "unspecified"}"`;
    if (outcome === "error") return `,"error":true,"error_message":${JSON.stringify(errorText(error))}`;
    return ',"error":false';
  };

  const enqueue = (run: Run, checkpoint: Recorded, meta: string, atMs: number, monotonicMs: number): void => {
    if (!options.enqueue) return;
    if (run.dropped) {
      // Its start had to make room: an end alone would look like a journey that began nowhere.
      drops.count("queue_full");
      return;
    }
    const end = checkpoint.kind === "end" ? endText(run, checkpoint) : "";
    const rest = meta === "" ? end : `${end},"meta":${meta}`;
    const waiting: Waiting = {
      run,
      kind: checkpoint.kind,
      eventId: platform.newUlid(),
      sequence: run.nextSequence++,
      atMs,
      category: checked(run, "checkpoint category", checkpoint.category, isCategory),
      rest,
      bytes: rest === "" ? commonBytes : commonBytes + platform.utf8Bytes(rest),
      recordedAtMs: monotonicMs,
      gone: false,
      earlierEnd: undefined,
    };
    options.onQueued();
    options.enqueue(waiting);
  };

  return {
    record(run, checkpoint) {
      if (closed) {
        drops.count("closed");
        return;
      }
      const meta = metaText(checkpoint.extra, platform.meta?.(run.ambientCorrelationId), extrasOptions);
      const monotonicMs = platform.clock.monotonicMs();
      const atMs = checkpoint.atMs ?? runTimeMs(run, monotonicMs);
      local?.count(run, checkpoint, atMs);
      enqueue(run, checkpoint, meta, atMs, monotonicMs);
    },
    close() {
      closed = true;
    },
  };
}
