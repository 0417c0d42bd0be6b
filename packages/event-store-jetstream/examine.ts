import { silentLogger, systemClock } from "@signalbox/kernel";
import { type LinkOptions, openLink } from "./link.js";

/** What a NATS server says of itself. */
export interface JetStreamState {
  readonly version: string;
  /** Largest message that it takes, headers included. */
  readonly maxPayloadBytes: number;
  readonly streams: number;
}

/**
 * Looks at a NATS server without changing anything.
 * @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE`, `EVT_TRANSPORT_UNSUPPORTED`.
 */
export async function examineJetStream(options: Pick<LinkOptions, "servers">): Promise<JetStreamState> {
  const link = await openLink({ ...options, clock: systemClock, logger: silentLogger });
  try {
    const { streams } = await link.manager.getAccountInfo();
    return { version: link.serverVersion ?? "of unknown version", maxPayloadBytes: link.maxPayload, streams };
  } finally {
    await link.close();
  }
}
