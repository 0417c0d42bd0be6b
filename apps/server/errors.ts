import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const serverErrors = defineErrors("Server", {
  DATA_DIRECTORY_HELD: {
    message: "Another server holds the data directory",
    remedy:
      "Stop that server, give this one another `data_dir`, or set `database_url` and `clickhouse_url` so that several processes can share the work.",
  },
  DATA_DIRECTORY_UNUSABLE: {
    message: "The data directory cannot be used",
    remedy: "Let the server's user read and write it, or set `data_dir` to a directory where that is so.",
  },
  LISTEN_FAILED: {
    message: "The address cannot be listened on",
    remedy: "Stop the other program on this port, or set another address; `signalbox doctor` looks at all of them.",
  },
  TRANSPORT_ADDRESS_MISSING: {
    message: "The chosen transport has no server",
    remedy: "Set the address that the message names, or choose `transport: sql`.",
  },
  REDIS_ADDRESS_MISSING: {
    message: "The state of experiences is to be kept in Redis, but there is no address of one",
    remedy: "Set `redis_url`, or choose `experience.store: sql`.",
  },
  APP_UNUSABLE: {
    message: "The module of `--app` has no configure functions",
    remedy: "Export `configure`: a function that registers events and subscriptions, or a list of them.",
  },
  TOKEN_UNKNOWN: {
    message: "There is no such token",
    remedy: "`signalbox token list` shows the ids of all tokens.",
  },
});

export type ServerErrorCode = keyof typeof serverErrors.entries;

export class ServerError extends SignalboxError {
  declare readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, options: ErrorOptions = {}) {
    super(code, serverErrors.entries[code], options);
  }
}
