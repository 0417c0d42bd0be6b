/** How soon a user expects the end of a journey. It sets threshold and timeout of a definition. */
export type Urgency = "sync_fast" | "sync_slow" | "async_fast" | "async_slow" | "custom";

export const urgencies: readonly Urgency[] = ["sync_fast", "sync_slow", "async_fast", "async_slow", "custom"];

export function isUrgency(value: unknown): value is Urgency {
  return typeof value === "string" && (urgencies as readonly string[]).includes(value);
}

/** Apdex thresholds in milliseconds; a `custom` definition brings its own. */
export const thresholdsMs: Readonly<Record<Exclude<Urgency, "custom">, number>> = /* @__PURE__ */ Object.freeze({
  sync_fast: 2_000,
  sync_slow: 5_000,
  async_fast: 15_000,
  async_slow: 300_000,
});

/** Timeouts in milliseconds of definitions without their own; with `custom` it is ten times the threshold. */
export const defaultTimeoutsMs: Readonly<Record<Exclude<Urgency, "custom">, number>> = /* @__PURE__ */ Object.freeze({
  sync_fast: 30_000,
  sync_slow: 60_000,
  async_fast: 150_000,
  async_slow: 3_600_000,
});

/** Timeouts in milliseconds that a deployment sets for the definitions without their own. */
export type TimeoutOverrides = Readonly<Partial<Record<Urgency, number>>>;

/** Longest life of a run: seven days. */
export const maxTimeoutMs = 604_800_000;

export function defaultTimeoutMs(urgency: Urgency, thresholdMs: number, overrides: TimeoutOverrides = {}): number {
  const timeoutMs = overrides[urgency] ?? (urgency === "custom" ? 10 * thresholdMs : defaultTimeoutsMs[urgency]);
  // A default never makes a definition invalid: a run may always live as long as its threshold.
  return Math.min(maxTimeoutMs, Math.max(timeoutMs, thresholdMs));
}
