import type { Database } from "@signalbox/database";
import type { Transport } from "@signalbox/event-store";
import type { Clock, Logger } from "@signalbox/kernel";
import type { PendingBounds } from "./bounds.js";
import type { DedupLocks } from "./dedup.js";
import type { Link } from "./link.js";
import type { Names } from "./names.js";
import type { Notes } from "./notes.js";
import type { RecentMessages } from "./recent-messages.js";

/** What the verbs of the JetStream transport share while it is open. */
export interface JetStreamParts {
  readonly link: Link;
  readonly names: Names;
  readonly partitionOf: (key: string | null) => string;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly notes: Notes;
  readonly locks: DedupLocks;
  readonly bounds: PendingBounds;
  /** Messages that this process has settled. */
  readonly settled: RecentMessages;
  /** What is not due yet waits here: deliveries of the SQL transport, whose bodies are messages. */
  readonly schedule: Transport;
  /** Something may be there to be taken, in this process and in others. */
  readonly wake: (subscriber: string, partition: string) => void;
}
