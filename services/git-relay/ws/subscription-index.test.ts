import { createHash } from "node:crypto";
import { type Filter, markVerified, matchesFilter, readFilter, type VerifiedEvent } from "@signalbox/nostr";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createSubscriptionIndex } from "./subscription-index.js";

const hexOf = (seed: number): string => createHash("sha256").update(String(seed)).digest("hex");
const someHex = fc.integer({ min: 0, max: 5 }).map(hexOf);
const someTopic = fc.constantFrom("a", "b", "");
const event = fc.record({
  id: someHex,
  pubkey: someHex,
  created_at: fc.integer({ min: 0, max: 3 }),
  kind: fc.constantFrom(1, 2),
  tags: fc.array(fc.tuple(fc.constantFrom("t", "e", "title"), someTopic), { maxLength: 3 }),
  content: fc.constant(""),
  sig: fc.constant(""),
});
const filter = fc
  .record(
    {
      ids: fc.array(someHex, { maxLength: 2 }),
      authors: fc.array(someHex, { maxLength: 3 }),
      kinds: fc.array(fc.constantFrom(1, 2, 3), { maxLength: 2 }),
      since: fc.integer({ min: 0, max: 3 }),
      "#t": fc.array(someTopic, { maxLength: 2 }),
      "#e": fc.array(someTopic, { maxLength: 2 }),
    },
    { requiredKeys: [] },
  )
  .map((json): Filter => {
    const read = readFilter(json);
    if (read.kind !== "filter") throw new Error(read.reason);
    return read.filter;
  });

test("GR-034 the index finds the listeners that a look at each of them finds, in their order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(filter, { maxLength: 3 }), { maxLength: 20 }),
      fc.array(event, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat(19)),
      (lists, events, removed) => {
        const listeners = lists.map((filters) => ({ filters }));
        const index = createSubscriptionIndex<(typeof listeners)[number]>();
        for (const listener of listeners) index.add(listener);
        const gone = new Set(removed.flatMap((place) => listeners[place] ?? []));
        for (const listener of gone) index.remove(listener);
        for (const template of events) {
          const added: VerifiedEvent = markVerified(template);
          const expected = listeners.filter(
            (listener) => !gone.has(listener) && listener.filters.some((one) => matchesFilter(one, added)),
          );
          expect(index.matching(added)).toEqual(expected);
        }
      },
    ),
    { numRuns: 500 },
  );
});
