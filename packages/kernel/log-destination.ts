import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { errorCode } from "./errors.js";

/** Takes lines, each with its line break. Must not throw. */
export interface LogDestination {
  write(line: string): void;
}

export type LogFormat = "json" | "pretty";

/** What waits while the output takes nothing; beyond it new lines are dropped, for logs must not fill the memory. */
const maxWaitingBytes = 8 * 2 ** 20;
/** A burst within one turn is written in parts of this size. */
const partBytes = 64 * 1024;
const retryMs = 20;
/** At exit: how often a busy output is tried again, `retryMs` apart. */
const lastAttempts = 50;
const nothing = new Uint8Array();

let output: LogDestination | undefined;

/** The process's standard output: one for all loggers, so that their lines do not mix. */
export function standardOutput(): LogDestination {
  output ??= createLogOutput(1);
  return output;
}

/**
 * Collects the lines of one turn of the event loop and writes them together, in order; what is left goes out when the
 * process exits. An output that breaks (a closed pipe, a full disk) costs lines, never the process: the writers that
 * exist crash on the one or wait for ever on the other.
 */
export function createLogOutput(descriptor: number): LogDestination {
  // Made bytes at once: kept as texts, thousands of lines a second are the garbage collector's work.
  const part = Buffer.allocUnsafe(partBytes);
  let filledBytes = 0;
  let unwritten: Uint8Array = nothing;
  let scheduled = false;
  let busy = false;
  let closed = false;

  const setAside = (bytes: Uint8Array): void => {
    unwritten = Buffer.concat([unwritten, part.subarray(0, filledBytes), bytes]);
    filledBytes = 0;
  };

  const flush = (): void => {
    if (unwritten.length > 0) setAside(nothing);
    const isLate = unwritten.length > 0;
    let rest: Uint8Array = isLate ? unwritten : part.subarray(0, filledBytes);
    busy = false;
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      busy = errorCode(error) === "EAGAIN";
      // A disk may have room again later; a reader that left never comes back.
      closed = !busy && errorCode(error) !== "ENOSPC";
      if (!busy) rest = nothing;
    }
    unwritten = isLate || rest.length === 0 ? rest : Buffer.from(rest);
    filledBytes = 0;
  };

  const turn = (): void => {
    flush();
    scheduled = busy;
    if (busy) setTimeout(turn, retryMs).unref();
  };

  process.on("exit", () => {
    flush();
    for (let attempt = 0; busy && attempt < lastAttempts; attempt++) {
      pause(retryMs);
      flush();
    }
  });

  return {
    write(line) {
      if (closed || unwritten.length + filledBytes >= maxWaitingBytes) return;
      const mostBytes = line.length * 3;
      if (filledBytes + mostBytes > partBytes) {
        if (mostBytes > partBytes || busy) setAside(mostBytes > partBytes ? Buffer.from(line) : nothing);
        if (!busy) flush();
      }
      if (mostBytes <= partBytes) filledBytes += part.write(line, filledBytes);
      if (scheduled) return;
      scheduled = true;
      setImmediate(turn);
    },
  };
}

/** Lines for a person's eyes, made inside the process before they reach `target`. */
export function prettyPrinted(target: LogDestination, colour: boolean): LogDestination {
  // Loaded on demand: most servers never print for people.
  const { prettyFactory } = createRequire(import.meta.url)("pino-pretty") as typeof import("pino-pretty");
  const format = prettyFactory({
    colorize: colour,
    translateTime: "SYS:HH:MM:ss.l",
    messageKey: "msg",
    ignore: "component",
    messageFormat: "[{component}] {msg}",
    errorLikeObjectKeys: ["error"],
  });
  return { write: (line) => target.write(format(line) ?? line) };
}

/** Stands still; only for the moment of exit, when no timer runs any more. */
function pause(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}
