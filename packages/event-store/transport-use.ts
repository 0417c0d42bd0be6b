import { EventStoreError } from "./errors.js";
import type { Transport } from "./transports/transport.js";

/** How many stores of this process use a transport: the last one to leave closes it. */
const users = new WeakMap<Transport, number>();

/** @throws {EventStoreError} as `Transport.open`. */
export async function openTransport(transport: Transport): Promise<void> {
  users.set(transport, (users.get(transport) ?? 0) + 1);
  try {
    await transport.open();
  } catch (error) {
    users.set(transport, (users.get(transport) ?? 1) - 1);
    throw error instanceof EventStoreError ? error : new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", { cause: error });
  }
}

export async function releaseTransport(transport: Transport): Promise<void> {
  const left = (users.get(transport) ?? 1) - 1;
  users.set(transport, left);
  if (left <= 0) await transport.close();
}
