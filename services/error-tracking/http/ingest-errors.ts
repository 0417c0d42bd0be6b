import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const ingestErrors = defineErrors("Error tracking: ingest", {
  ET_KEY_REFUSED: {
    message: "The key gives no access to this project.",
    status: 403,
    remedy: "Copy the DSN again; the key or the project may have been disabled or deleted.",
  },
  ET_ORIGIN_REFUSED: {
    message: "The key is not meant for pages of this origin.",
    status: 403,
    remedy: "Add the origin to those that the key allows, or use another key.",
  },
  ET_ROUTE_UNKNOWN: {
    message: "There is no such ingest route.",
    status: 404,
    remedy: "Check the DSN's path.",
  },
  ET_METHOD_NOT_ALLOWED: {
    message: "The route does not take this method.",
    status: 405,
    remedy: "Send the request as POST.",
  },
  ET_ENCODING_UNSUPPORTED: {
    message: "The body's content encoding is not supported.",
    status: 415,
    remedy: "Use gzip, deflate, br, zstd or none, at most two on top of each other.",
  },
  ET_EVENT_TOO_LARGE: {
    message: "The event is larger than allowed.",
    status: 413,
    remedy: "Send less extra data and fewer breadcrumbs, or raise error_tracking.limits.event_bytes.",
  },
  ET_ITEM_TOO_LARGE: {
    message: "The item is larger than items of its type may be.",
    status: 413,
    remedy: "Send less of it at once.",
  },
  ET_MULTIPART_INVALID: {
    message: "The body is not the form that this route takes.",
    status: 400,
    remedy: "Send multipart/form-data with a boundary and a name for each part.",
  },
  ET_MINIDUMP_INVALID: {
    message: "The form has no minidump in its field upload_file_minidump.",
    status: 400,
    remedy: "Send the file as the crash handler wrote it, or compressed by gzip, zstd, bzip2 or xz.",
  },
  ET_MEDIA_TYPE_UNSUPPORTED: {
    message: "The route does not take this media type.",
    status: 415,
    remedy: "Send the report as browsers do.",
  },
  ET_REPORT_INVALID: {
    message: "The report cannot be read.",
    status: 400,
    remedy: "Compare what is sent with the description of the route.",
  },
  ET_EVENT_ID_INVALID: {
    message: "The path does not hold the id of an event.",
    status: 400,
    remedy: "Send 32 hex digits, with or without dashes.",
  },
  ET_BODY_INCOMPLETE: {
    message: "The body did not arrive completely in time.",
    status: 400,
    remedy: "Look at the network between client and server.",
  },
  ET_BACKPRESSURE: {
    message: "The server takes no more events for now.",
    status: 429,
    retryable: true,
    remedy: "Wait as long as Retry-After says. Operators: look at pending messages and free disk space.",
  },
  ET_DISK_FULL: {
    message: "The server has too little disk space to take anything.",
    status: 429,
    retryable: true,
    remedy: "Wait as long as Retry-After says. Operators: make room on the disk, or lower storage.min_free.",
  },
  ET_RATE_LIMITED: {
    message: "Too many items of a kind were sent in too short a time.",
    status: 429,
    retryable: true,
    remedy: "Wait as long as Retry-After says. Operators: look at the quotas of key, project and instance.",
  },
  ET_QUEUE_UNAVAILABLE: {
    message: "The server cannot keep events for now.",
    status: 503,
    retryable: true,
    remedy: "Wait as long as Retry-After says. Operators: look at the transport of the event store.",
  },
  ET_INTERNAL: {
    message: "The server failed to take the request.",
    status: 500,
    remedy: "Look for the correlation id in the server's log.",
  },
});

export type IngestErrorCode = keyof typeof ingestErrors.entries;

export interface IngestErrorOptions extends ErrorOptions {
  /** Sent with the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Why the edge does not take a request or an item, beyond what reading the protocol can find. */
export class IngestError extends SignalboxError {
  declare readonly code: IngestErrorCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: IngestErrorCode, options: IngestErrorOptions = {}) {
    super(code, ingestErrors.entries[code], options);
    this.headers = options.headers ?? {};
  }
}
