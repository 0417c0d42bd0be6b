import type { Consumer, Lease, SettleItem } from "@signalbox/event-store";
import { atRoot } from "@signalbox/event-store/adapter";
import type { JetStreamParts } from "./parts.js";
import { publishWire } from "./settle.js";
import { adoptLease, decodeWire } from "./wire.js";

/** How many messages one process moves at once. */
const maxMoving = 256;
/** Long enough to publish what was claimed, also with a server that is slow. */
const moveLeaseMs = 30_000;
const restMs = 500;

/** Brings what has become due from the database into the stream, for one subscriber. */
export function moveDue(subscriber: string, parts: JetStreamParts): Consumer {
  const { schedule, link, logger, clock } = parts;
  let moving = 0;
  let resting = false;

  const move = async (leases: readonly Lease[]): Promise<void> => {
    const settled = await Promise.all(leases.map((lease) => moveOne(lease)));
    try {
      await schedule.settle(settled);
    } catch (error) {
      // Published again they are recognised as repetitions.
      logger.warn("moved deliveries could not be settled", { error, subscriber });
    }
    if (settled.some(({ settlement }) => settlement.kind === "hand_back")) await rest();
    moving -= leases.length;
    consumer.wake();
  };

  const moveOne = async (lease: Lease): Promise<SettleItem> => {
    try {
      const wire = decodeWire(lease.body) ?? adoptLease(lease, subscriber);
      await publishWire(wire, parts);
      parts.wake(subscriber, parts.partitionOf(wire.key));
      return { lease, settlement: { kind: "done" } };
    } catch (error) {
      if (!resting) logger.warn("due deliveries could not be moved into the stream", { error, subscriber });
      return { lease, settlement: { kind: "hand_back" } };
    }
  };

  const rest = async (): Promise<void> => {
    resting = true;
    await clock.sleep(restMs);
    resting = false;
  };

  const consumer = atRoot(() =>
    schedule.consume(
      {
        subscriber,
        maxInFlight: maxMoving,
        leaseMs: moveLeaseMs,
        maxTotal: null,
        perKey: 1,
        rateLimit: null,
        capacity: () => (link.isUp && !resting ? maxMoving - moving : 0),
        limited: () => {},
        hurry: () => {},
      },
      (leases) => {
        moving += leases.length;
        void move(leases);
      },
    ),
  );
  return consumer;
}
