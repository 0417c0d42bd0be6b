import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import type { DestinationStream } from "pino";
import { errorCode } from "./errors.js";

export type LogFormat = "json" | "pretty";

/** What waits while the output takes nothing; beyond it new lines are dropped, for logs must not fill the memory. */
const maxWaitingBytes = 8 * 2 ** 20;
/** A burst within one turn is written in parts of about this size. */
const fullPartBytes = 256 * 1024;
const retryMs = 20;
/** At exit: how often a busy output is tried again, `retryMs` apart. */
const lastAttempts = 50;

let output: DestinationStream | undefined;

/** The process's standard output: one for all loggers, so that their lines do not mix. */
export function standardOutput(): DestinationStream {
  output ??= createOutput(1);
  return output;
}

/**
 * Collects the lines of one turn of the event loop and writes them together, in order; what is left goes out when the
 * process exits. An output that breaks (a closed pipe, a full disk) costs lines, never the process: the writers that
 * exist crash on the one or wait for ever on the other.
 * @internal
 */
export function createOutput(descriptor: number): DestinationStream {
  let waiting: string[] = [];
  let waitingBytes = 0;
  let unwritten: Uint8Array = new Uint8Array();
  let scheduled = false;
  let busy = false;
  let closed = false;

  const flush = (): void => {
    let rest: Uint8Array = Buffer.concat([unwritten, Buffer.from(waiting.join(""))]);
    waiting = [];
    busy = false;
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      busy = errorCode(error) === "EAGAIN";
      // A disk may have room again later; a reader that left never comes back.
      closed = !busy && errorCode(error) !== "ENOSPC";
      if (!busy) rest = new Uint8Array();
    }
    unwritten = rest;
    waitingBytes = rest.length;
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
      if (closed || waitingBytes >= maxWaitingBytes) return;
      waiting.push(line);
      waitingBytes += line.length;
      if (waitingBytes >= fullPartBytes && !busy) flush();
      if (scheduled) return;
      scheduled = true;
      setImmediate(turn);
    },
  };
}

/** Lines for a person's eyes, made inside the process before they reach `target`. */
export function prettyPrinted(target: DestinationStream, colour: boolean): DestinationStream {
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
