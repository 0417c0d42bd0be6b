import type { BatchStatement } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";

/** Slewing by a time service stays far below this between two looks; a clock that was set does not. */
const noticedMs = 500;

export interface ClockJump {
  /** By how much the clock was set forward, or back when negative. */
  readonly byMs: number;
  /** What the clock would show now had nobody set it. */
  readonly expectedMs: number;
  readonly nowMs: number;
}

/** Notices when somebody sets the wall clock: by the monotonic one, which nobody can. */
export class JumpDetector {
  readonly #clock: Clock;
  #offsetMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offsetMs = clock.nowMs() - clock.monotonicMs();
  }

  /** The jump since the last look, if there was one. */
  look(): ClockJump | undefined {
    const nowMs = this.#clock.nowMs();
    const expectedMs = this.#clock.monotonicMs() + this.#offsetMs;
    this.#offsetMs += nowMs - expectedMs;
    const byMs = nowMs - expectedMs;
    return Math.abs(byMs) < noticedMs ? undefined : { byMs, expectedMs, nowMs };
  }
}

const followBack = `update event_deliveries set
    due_at_ms = case when due_at_ms <= ? then ? else due_at_ms - ? end,
    available_at_ms = case
      when state = 1 then case when available_at_ms > ? then ? else available_at_ms end
      when state = 2 then null
      when due_at_ms <= ? then ?
      else available_at_ms - ? end
  where subscriber = ? and settled_at_ms is null and due_at_ms > ? and (due_at_ms <= ? or attempts > 0)`;

/**
 * Deliveries after the clock was set back, which would wait for as long otherwise: what was due stays due, a retry keeps
 * its delay, and a lease lasts no longer than a fresh one. What was published for a time to come keeps that time.
 */
export function followClockBack(
  { byMs, expectedMs, nowMs }: ClockJump,
  subscribers: readonly string[],
  leaseMs: number,
): BatchStatement {
  const before = Math.ceil(expectedMs);
  const now = Math.ceil(nowMs);
  const until = now + leaseMs;
  const back = Math.floor(-byMs);
  const moved = [before, now, back];
  return {
    sql: followBack,
    rows: subscribers.map((subscriber) => [...moved, until, until, ...moved, subscriber, now, before]),
  };
}
