import { createRequire } from "node:module";
import { type DestinationStream, pino } from "pino";

export type LogFormat = "json" | "pretty";

/**
 * Standard output. Lines are written while the process goes on, and the rest of them when it exits. An output that
 * breaks (a closed pipe, a full disk) ends the log, never the process.
 */
export function standardOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: false });
  output.on("error", () => {});
  return output;
}

/** Lines for a person's eyes, made inside the process before they reach `output`. */
export function prettyPrinted(output: DestinationStream, colour: boolean): DestinationStream {
  // Loaded on demand: most servers never print for people.
  const { prettyFactory } = createRequire(import.meta.url)("pino-pretty") as typeof import("pino-pretty");
  const format = prettyFactory({
    colorize: colour,
    translateTime: "SYS:HH:MM:ss.l",
    messageKey: "msg",
    ignore: "component",
    messageFormat: "[{component}] {msg}",
    errorLikeObjectKeys: [],
  });
  return { write: (line) => void output.write(format(line) ?? line) };
}
