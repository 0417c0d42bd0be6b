import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const blobErrors = defineErrors("Blobs", {
  BLOB_NOT_FOUND: {
    message: "There is no blob with this key",
    status: 404,
    remedy: "The blob was deleted, or the key was never made by this store",
  },
  BLOB_TOO_LARGE: {
    message: "The data is larger than allowed",
    status: 413,
    remedy: "Send less data, or raise the limit of the kind of data concerned",
  },
  BLOB_STORE_FULL: {
    message: "The blob store has no space left",
    retryable: true,
    status: 503,
    remedy: "Free disk space or raise the quota; nothing was stored",
  },
  BLOB_STORE_UNAVAILABLE: {
    message: "The blob store cannot be read or written",
    retryable: true,
    status: 503,
    remedy:
      "Check that the directory exists and that the server may read and write it; the cause names the system error",
  },
  BLOB_NAMESPACE_INVALID: {
    message: "A namespace is 1 to 32 lower-case letters, digits and hyphens and begins with a letter",
    remedy: "Use a constant of the program; never a name that a client sent",
  },
  BLOBS_CLOSED: {
    message: "The blob store is closed",
    remedy: "The server is stopping; repeat the request after it is back",
  },
});

export type BlobErrorCode = keyof typeof blobErrors.entries;

export class BlobError extends SignalboxError {
  declare readonly code: BlobErrorCode;

  constructor(code: BlobErrorCode, options: ErrorOptions = {}) {
    super(code, blobErrors.entries[code], options);
  }
}
