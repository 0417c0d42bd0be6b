import { readFilter } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countMatches, queryStored } from "./query.js";
import type { RelayEvents } from "./store/port.js";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const alice = testSigner("alice");
const limits = { defaultLimit: 500, maxLimit: 500 };

describe("a query that nobody waits for any more", () => {
  let server: TestRelay;
  let pages = 0;
  let events: RelayEvents;
  beforeAll(async () => {
    server = await startTestRelay();
    const added = Array.from({ length: 300 }, (_, index) => ({
      event: signEvent(alice, { created_at: index, content: String(index) }),
      origin: { source: "client", correlationId: "C" } as const,
      anchor: true,
    }));
    await server.relay.events.write((unit) => unit.store(added));
    // The store as it is, with its pages counted.
    events = {
      ...server.relay.events,
      stream(filter, options) {
        const stream = server.relay.events.stream(filter, { ...options, pageSize: 10 });
        return {
          next() {
            pages++;
            return stream.next();
          },
        };
      },
    };
  });
  afterAll(() => server.destroy());

  const all = () => {
    const read = readFilter({ kinds: [1] });
    if (read.kind !== "filter") throw new Error(read.reason);
    return read.filter;
  };

  test("ends at the next page, for stored events and for counts", async () => {
    const cancelledAfter = (count: number) => {
      pages = 0;
      return { now: 0, isCancelled: () => pages >= count };
    };
    await queryStored(events, [all(), all()], { ...cancelledAfter(3), limits });
    expect(pages).toBe(3);
    await countMatches(events, [all()], { ...cancelledAfter(3), maxCount: 1_000 });
    expect(pages).toBeLessThanOrEqual(4);
    pages = 0;
    const counted = await countMatches(events, [all(), all()], { now: 0, isCancelled: () => false, maxCount: 1_000 });
    expect(counted).toEqual({ count: 300, approximate: false });
  });
});
