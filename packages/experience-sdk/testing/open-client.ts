import { createVirtualClock, type Logger, type VirtualClock } from "@signalbox/kernel";
import type { Client } from "../client.js";
import { createClient } from "../create-client.js";
import type { ClientOptions } from "../options.js";
import { createScriptedTransport, type ScriptedTransport } from "./scripted-transport.js";

export const definitions = {
  checkout: { description: "A user pays", feature_category: "shop", urgency: "sync_fast" },
  import_project: { description: "A project is imported", feature_category: "importers", urgency: "async_slow" },
};

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface OpenClient {
  readonly client: Client;
  readonly transport: ScriptedTransport;
  readonly clock: VirtualClock;
  readonly lines: LogLine[];
}

/** A client on a clock that moves only when told to, with a tracker that takes everything. */
export function openClient(options: Partial<ClientOptions> = {}): OpenClient {
  const clock = createVirtualClock();
  const transport = createScriptedTransport();
  const lines: LogLine[] = [];
  const client = createClient({
    type: "web",
    definitions,
    environment: "production",
    transport,
    clock,
    logger: recordingLogger(lines),
    random: () => 0.5,
    ...options,
  });
  return { client, transport, clock, lines };
}

function recordingLogger(lines: LogLine[]): Logger {
  const write =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      void lines.push({ level, message, fields });
  const logger: Logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: () => logger,
    isEnabled: () => true,
  };
  return logger;
}
