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
  BACKUP_NOT_EMBEDDED: {
    message: "Only embedded stores can be backed up",
    status: 409,
    remedy: "Back up the servers with their own tools; `docs/how-to/backup.md` says which, and what else to keep.",
  },
  BACKUP_TARGET_TAKEN: {
    message: "The directory for the backup is not empty",
    remedy: "Name one that does not exist yet; each backup has a directory of its own.",
  },
  BACKUP_TARGET_UNUSABLE: {
    message: "The backup cannot be written",
    remedy: "Free space or choose another directory, then repeat the backup from the start.",
  },
  BACKUP_UNUSABLE: {
    message: "There is no complete backup in this directory",
    remedy: "Choose another backup: this one was cut off, or something in it was changed or lost since.",
  },
  BACKUP_TOO_NEW: {
    message: "The backup was made by a newer version",
    remedy: "Install that version or a later one, then restore.",
  },
  RESTORE_TARGET_TAKEN: {
    message: "The data directory is not empty",
    remedy:
      "Restore into a directory that is empty or does not exist: move what is there away, or set another `data_dir`.",
  },
  RESTORE_CUT_OFF: {
    message: "A restore into this data directory was cut off",
    remedy: "Empty the directory, then restore the backup again.",
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
