/** Keys under `error_tracking.limits`; all sizes in bytes. */
export interface IngestLimits {
  /** A request as sent. */
  readonly requestBytes: number;
  /** An envelope after decompression. */
  readonly envelopeBytes: number;
  /** The payload of an event; also a `store` request after decoding. */
  readonly eventBytes: number;
  readonly attachmentBytes: number;
  readonly attachmentsPerEvent: number;
  readonly itemsPerEnvelope: number;
}

const kib = 1024;
const mib = 1024 * kib;

export const defaultIngestLimits: IngestLimits = {
  requestBytes: 100 * mib,
  envelopeBytes: 200 * mib,
  eventBytes: mib,
  attachmentBytes: 50 * mib,
  attachmentsPerEvent: 30,
  itemsPerEnvelope: 1000,
};

/** Longest header line of an envelope and of its items. */
export const envelopeHeaderBytes = 8 * kib;

/** Deepest nesting of an event. */
export const eventDepth = 200;

/** Bodies up to this size as sent are collected before they are decoded. */
export const wholeBodyBytes = 256 * kib;

/** Collected bodies that decode to no more than this are handled in one go; others flow through in pieces. */
export const wholeEnvelopeBytes = 2 * mib;

/** Requests whose bodies flow through in pieces at the same time; each holds decoder windows and one event. */
export const concurrentStreams = 8;

/** Such requests that wait for their turn; further ones are refused. */
export const waitingStreams = 256;

/** Payloads that wait for their publish at the same time; what would go beyond is refused. */
export const unpublishedBytes = 64 * mib;

/** Largest payloads of items that are small by their nature. */
export const itemBytes = {
  session: 100 * kib,
  checkIn: 100 * kib,
  clientReport: 64 * kib,
  securityReport: 64 * kib,
  feedback: mib,
} as const;

/** All of these in one envelope together. */
export const collectedItemBytes = 4 * mib;

export const sessionsPerEnvelope = 100;

/** Where attachments are in the blob store. */
export const attachmentNamespace = "error-attachments";
