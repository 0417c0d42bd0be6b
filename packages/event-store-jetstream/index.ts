export { examineJetStream, type JetStreamState } from "./examine.js";
export { jetStreamMigrations } from "./migrations.js";
export type { Names } from "./names.js";
export { createJetStreamTransport, type JetStreamTransport, type JetStreamTransportOptions } from "./transport.js";
