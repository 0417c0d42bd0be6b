import { createHash } from "node:crypto";
import fc from "fast-check";
import { nip77 } from "nostr-tools";
import { describe, expect, test } from "vitest";
import { createItemSetBuilder, type ItemSet } from "./item-set.js";
import { createNegentropyInitiator, createNegentropyResponder, readNegentropyHex } from "./reconcile.js";

interface Item {
  readonly timestamp: number;
  readonly id: string;
}

const idOf = (seed: string): string => createHash("sha256").update(seed).digest("hex");
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (hex: string): Uint8Array => readNegentropyHex(hex);

function setOf(items: readonly Item[]): ItemSet {
  const builder = createItemSetBuilder();
  for (const { timestamp, id } of items) builder.add(timestamp, id);
  return builder.seal();
}

/** The published algorithm once more, over arrays and hex texts, as plainly as it can be said. */
function slowSide(unsorted: readonly Item[], maxFrameBytes: number, initiator: boolean) {
  const items = [...new Map(unsorted.map((item) => [item.id, item])).values()].sort(
    (one, other) => one.timestamp - other.timestamp || (one.id < other.id ? -1 : 1),
  );
  type SlowBound = { readonly time: number; readonly prefix: string };
  const end: SlowBound = { time: Number.POSITIVE_INFINITY, prefix: "" };
  const isBelow = (item: Item, bound: SlowBound): boolean =>
    item.timestamp < bound.time || (item.timestamp === bound.time && item.id < bound.prefix.padEnd(64, "0"));
  const varint = (value: number): string => {
    const digits = value.toString(2);
    const groups = digits.padStart(Math.ceil(digits.length / 7) * 7, "0").match(/.{7}/g) ?? [];
    return groups
      .map((group, place) => Number.parseInt((place < groups.length - 1 ? "1" : "0") + group, 2))
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");
  };
  const fingerprint = (part: readonly Item[]): string => {
    const flip = (hex: string): string => (hex.match(/../g) ?? []).reverse().join("");
    let sum = 0n;
    for (const { id } of part) sum += BigInt(`0x${flip(id)}`);
    const total = (sum % 2n ** 256n).toString(16).padStart(64, "0");
    const input = Buffer.from(flip(total) + varint(part.length), "hex");
    return createHash("sha256").update(input).digest("hex").slice(0, 32);
  };
  const boundBefore = (place: number): SlowBound => {
    const item = items[place] ?? { timestamp: 0, id: "" };
    const before = items[place - 1] ?? { timestamp: 0, id: "" };
    if (item.timestamp !== before.timestamp) return { time: item.timestamp, prefix: "" };
    let bytes = 1;
    while (item.id.slice(0, bytes * 2) === before.id.slice(0, bytes * 2)) bytes++;
    return { time: item.timestamp, prefix: item.id.slice(0, bytes * 2) };
  };
  const clock = () => {
    let last = 0;
    return {
      write({ time, prefix }: SlowBound): string {
        const distance = time === Number.POSITIVE_INFINITY ? 0 : time - last + 1;
        last = time;
        return varint(distance) + varint(prefix.length / 2) + prefix;
      },
      read(distance: number): number {
        last = distance === 0 ? Number.POSITIVE_INFINITY : last + distance - 1;
        return last;
      },
    };
  };
  const ids = (part: readonly Item[]): string => `02${varint(part.length)}${part.map(({ id }) => id).join("")}`;
  const split = (from: number, to: number, upper: SlowBound, times: ReturnType<typeof clock>): string => {
    const count = to - from;
    if (count < 32) return times.write(upper) + ids(items.slice(from, to));
    let text = "";
    let start = from;
    for (let bucket = 0; bucket < 16; bucket++) {
      const stop = start + Math.floor(count / 16) + (bucket < count % 16 ? 1 : 0);
      text += `${times.write(stop === to ? upper : boundBefore(stop))}01${fingerprint(items.slice(start, stop))}`;
      start = stop;
    }
    return text;
  };
  const have = new Set<string>();
  const need = new Set<string>();

  return {
    have,
    need,
    open: (): string => `61${split(0, items.length, end, clock())}`,
    receive(message: string): string | undefined {
      let rest = message.slice(2);
      const take = (bytes: number): string => {
        const taken = rest.slice(0, bytes * 2);
        rest = rest.slice(bytes * 2);
        return taken;
      };
      const number = (): number => {
        for (let value = 0; ; ) {
          const byte = Number.parseInt(take(1), 16);
          value = value * 128 + (byte % 128);
          if (byte < 128) return value;
        }
      };
      const isFull = (hexLength: number): boolean => maxFrameBytes > 0 && hexLength / 2 > maxFrameBytes - 200;
      const reading = clock();
      const writing = clock();
      let output = "61";
      let previous: SlowBound = { time: 0, prefix: "" };
      let from = 0;
      let skipping = false;
      while (rest !== "") {
        let part = "";
        const time = reading.read(number());
        const bound = { time, prefix: take(number()) };
        let to = Math.max(from, items.findLastIndex((item) => isBelow(item, bound)) + 1);
        const skipFirst = (): void => {
          if (skipping) part += `${writing.write(previous)}00`;
          skipping = false;
        };
        const kind = number();
        if (kind === 0) skipping = true;
        else if (kind === 1) {
          if (take(16) === fingerprint(items.slice(from, to))) skipping = true;
          else {
            skipFirst();
            part += split(from, to, bound, writing);
          }
        } else {
          const theirs = new Set<string>();
          for (let left = number(); left > 0; left--) theirs.add(take(32));
          const ours = items.slice(from, to).map(({ id }) => id);
          if (initiator) {
            for (const id of ours) if (!theirs.has(id)) have.add(id);
            for (const id of theirs) if (!ours.includes(id)) need.add(id);
            skipping = true;
          } else {
            skipFirst();
            let last: SlowBound = bound;
            const listed: Item[] = [];
            for (let place = from; place < to; place++) {
              const item = items[place] ?? { timestamp: 0, id: "" };
              if (isFull(output.length + listed.length * 64)) {
                last = { time: item.timestamp, prefix: item.id };
                to = place;
                break;
              }
              listed.push(item);
            }
            output += part + writing.write(last) + ids(listed);
            part = "";
          }
        }
        if (isFull(output.length + part.length)) {
          output += `${writing.write(end)}01${fingerprint(items.slice(to))}`;
          break;
        }
        output += part;
        from = to;
        previous = bound;
      }
      return initiator && output === "61" ? undefined : output;
    },
  };
}

/** Lets both sides talk until the initiator is done, and compares every message with what the other implementations say. */
function talk(ours: readonly Item[], theirs: readonly Item[], maxFrameBytes: number, compare: boolean) {
  const initiator = createNegentropyInitiator(setOf(ours), { maxFrameBytes });
  const responder = createNegentropyResponder(setOf(theirs), { maxFrameBytes });
  const slowInitiator = slowSide(ours, maxFrameBytes, true);
  const slowResponder = slowSide(theirs, maxFrameBytes, false);
  const elsewhere = otherInitiator(ours, maxFrameBytes);
  const have: string[] = [];
  const need: string[] = [];
  const sizes: number[] = [];
  let message: Uint8Array | undefined = initiator.open();
  if (compare) {
    expect(hexOf(message)).toBe(slowInitiator.open());
    expect(hexOf(message)).toBe(elsewhere.initiate());
  }
  while (message) {
    const answer = responder.receive(message);
    sizes.push(message.length, answer.length);
    const next = initiator.receive(answer);
    if (compare) {
      expect(hexOf(answer)).toBe(slowResponder.receive(hexOf(message)));
      const nextHex = next.message && hexOf(next.message);
      expect(nextHex).toBe(slowInitiator.receive(hexOf(answer)));
      expect(nextHex).toBe(elsewhere.reconcile(hexOf(answer)) ?? undefined);
    }
    have.push(...next.have);
    need.push(...next.need);
    message = next.message;
  }
  return { have, need, sizes };
}

function otherInitiator(items: readonly Item[], maxFrameBytes: number) {
  const storage = new nip77.NegentropyStorageVector();
  for (const { timestamp, id } of new Map(items.map((item) => [item.id, item])).values()) storage.insert(timestamp, id);
  storage.seal();
  return new nip77.Negentropy(storage, maxFrameBytes || Number.MAX_SAFE_INTEGER);
}

function expectExact(found: ReturnType<typeof talk>, ours: readonly Item[], theirs: readonly Item[]): void {
  const ourIds = new Set(ours.map(({ id }) => id));
  const theirIds = new Set(theirs.map(({ id }) => id));
  expect([...found.have].sort()).toEqual([...ourIds].filter((id) => !theirIds.has(id)).sort());
  expect([...found.need].sort()).toEqual([...theirIds].filter((id) => !ourIds.has(id)).sort());
}

/** Two sets with times in clusters and many ids in common. */
function similarSets(count: number, seed: number, cluster: number, different: number) {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const ours: Item[] = [];
  const theirs: Item[] = [];
  for (let index = 0; index < count; index++) {
    const item = { timestamp: 1_700_000_000 + Math.floor(index / cluster) * 7, id: idOf(`${seed} ${index}`) };
    const dice = random();
    if (dice >= different / 2) ours.push(item);
    if (dice < 1 - different / 2) theirs.push(item);
  }
  return { ours: ours.reverse(), theirs };
}

const frames = [0, 4_096, 60_000];

describe("GR-179 reconciliation", () => {
  // Few different bytes and times, so that bounds, prefixes and duplicates of every kind come up.
  const item = fc.record({
    timestamp: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(2 ** 31, 2 ** 53 - 1)),
    id: fc.tuple(fc.constantFrom("00", "01", "7f", "ff"), fc.integer({ min: 0, max: 15 })).map(([byte, last]) => {
      return byte.repeat(31) + last.toString(16).padStart(2, "0");
    }),
  });
  const items = fc
    .array(item, { maxLength: 120 })
    .map((list) => [...new Map(list.map((each) => [each.id, each])).values()]);

  test("GR-170 GR-171 GR-172 GR-173 GR-174 GR-175 GR-176 messages are those of the published algorithm, and differences exact", () => {
    fc.assert(
      fc.property(items, items, fc.constantFrom(...frames), (ours, theirs, frame) => {
        expectExact(talk(ours, withTimesOf(theirs, ours), frame, true), ours, theirs);
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    [40, 1],
    [700, 3],
    [3_000, 500],
    [5_000, 5_000],
  ])("GR-177 GR-179 %i items, %i at a time: the same bytes under every frame limit", (count, cluster) => {
    for (const frame of frames) {
      const { ours, theirs } = similarSets(count, count + frame, cluster, 0.3);
      const found = talk(ours, theirs, frame, true);
      expectExact(found, ours, theirs);
      if (frame > 0) expect(Math.max(...found.sizes)).toBeLessThanOrEqual(frame);
    }
  });

  test("GR-179 100,000 items with a few differences, and two foreign sets", () => {
    const close = similarSets(100_000, 7, 40, 0.02);
    expectExact(talk(close.ours, close.theirs, 60_000, false), close.ours, close.theirs);
    const { ours } = similarSets(3_000, 1, 3, 0);
    const { theirs } = similarSets(3_000, 2, 3, 0);
    for (const frame of frames) expectExact(talk(ours, theirs, frame, false), ours, theirs);
  });

  test("GR-175 an empty set is legal on both sides", () => {
    const some = [{ timestamp: 5, id: idOf("x") }];
    expect(hexOf(createNegentropyInitiator(setOf([])).open())).toBe("6100000200");
    expectExact(talk([], some, 0, true), [], some);
    expectExact(talk(some, [], 0, true), some, []);
    expectExact(talk([], [], 0, true), [], []);
  });
});

/** An id has one time: what both sides have, they have at the same time. */
function withTimesOf(items: readonly Item[], other: readonly Item[]): Item[] {
  const times = new Map(other.map(({ id, timestamp }) => [id, timestamp]));
  return items.map(({ id, timestamp }) => ({ id, timestamp: times.get(id) ?? timestamp }));
}

describe("GR-170 sets", () => {
  test("GR-170 items are sorted, duplicates dropped, and nothing is added after the end", () => {
    const builder = createItemSetBuilder();
    const [low = "", high = ""] = [idOf("a"), idOf("b")].sort();
    builder.add(9, low);
    builder.add(2, high);
    builder.add(2, low);
    builder.add(2, high);
    const set = builder.seal();
    expect([0, 1, 2].map((index) => [set.timestampAt(index), hexOf(set.idAt(index))])).toEqual([
      [2, low],
      [2, high],
      [9, low],
    ]);
    expect(set.size).toBe(3);
    expect(() => builder.add(1, low)).toThrow(expect.objectContaining({ code: "NEGENTROPY_MISUSED" }));
    expect(() => builder.seal()).toThrow(expect.objectContaining({ code: "NEGENTROPY_MISUSED" }));
  });

  test("GR-170 GR-180 newest first, as a store reads them, items make the same set as in any other order", () => {
    const item = fc.record({ timestamp: fc.integer({ min: 0, max: 9 }), id: fc.nat(40).map((n) => idOf(`item ${n}`)) });
    fc.assert(
      fc.property(fc.uniqueArray(item, { selector: ({ timestamp, id }) => `${timestamp} ${id}` }), (given) => {
        const newestFirst = [...given].sort(
          (one, other) => other.timestamp - one.timestamp || (one.id < other.id ? -1 : 1),
        );
        const build = (list: typeof given) => {
          const builder = createItemSetBuilder();
          for (const { timestamp, id } of list) builder.add(timestamp, id);
          const set = builder.seal();
          return Array.from({ length: set.size }, (_, index) => [set.timestampAt(index), hexOf(set.idAt(index))]);
        };
        const expected = [...newestFirst]
          .sort((one, other) => one.timestamp - other.timestamp || (one.id < other.id ? -1 : 1))
          .map(({ timestamp, id }) => [timestamp, id]);
        expect(build(newestFirst)).toEqual(expected);
        expect(build(given)).toEqual(expected);
        expect(build([...newestFirst].reverse())).toEqual(expected);
      }),
    );
  });

  test.each([
    [-1, idOf("x")],
    [1.5, idOf("x")],
    [2 ** 53, idOf("x")],
    [Number.POSITIVE_INFINITY, idOf("x")],
    [1, "abc"],
    [1, idOf("x").toUpperCase()],
  ])("GR-170 time %d with id %s is no item", (timestamp, id) => {
    expect(() => createItemSetBuilder().add(timestamp, id)).toThrow(
      expect.objectContaining({ code: "NEGENTROPY_MISUSED" }),
    );
  });

  test("GR-174 sums carry over words and wrap at the end", () => {
    const all = Array.from({ length: 300 }, (_, index) => ({
      timestamp: index,
      id: "ff".repeat(31) + (index % 256).toString(16).padStart(2, "0"),
    }));
    const slow = slowSide(all.slice(0, 256), 0, true);
    expect(hexOf(createNegentropyInitiator(setOf(all.slice(0, 256))).open())).toBe(slow.open());
  });
});

describe("GR-178 messages of others", () => {
  const set = setOf(Array.from({ length: 50 }, (_, index) => ({ timestamp: index, id: idOf(`${index}`) })));
  const responder = createNegentropyResponder(set);

  test("GR-178 another version is answered with ours; an initiator takes it for no support", () => {
    expect(hexOf(responder.receive(bytesOf("60")))).toBe("61");
    expect(hexOf(responder.receive(bytesOf("6fffff")))).toBe("61");
    const initiator = createNegentropyInitiator(set);
    expect(() => initiator.receive(bytesOf("60"))).toThrow(expect.objectContaining({ code: "NEGENTROPY_UNSUPPORTED" }));
  });

  test.each([
    ["nothing", ""],
    ["no version", "00"],
    ["no version", "70"],
    ["half a bound", "6101"],
    ["no mode", "610000"],
    ["a mode that does not exist", "61000003"],
    ["a prefix longer than an id", `610121${"00".repeat(33)}00`],
    ["half a fingerprint", `61000001${"00".repeat(15)}`],
    ["fewer ids than announced", `6100000202${"00".repeat(32)}`],
    ["a number without end", `61${"ff".repeat(20)}`],
    ["more ids than memory", "61000002ffffffffffffff7f"],
  ])("GR-178 %s is malformed", (_, hex) => {
    for (const side of [responder, createNegentropyInitiator(set)])
      expect(() => side.receive(bytesOf(hex))).toThrow(expect.objectContaining({ code: "NEGENTROPY_MALFORMED" }));
  });

  test.each(["6", "6g", "zz", "61 0", "0x61"])("GR-178 %j is no hex text", (text) => {
    expect(() => readNegentropyHex(text)).toThrow(expect.objectContaining({ code: "NEGENTROPY_MALFORMED" }));
  });

  test("GR-178 whatever bytes arrive, the answer is a message within the limit or the one error", () => {
    const side = createNegentropyResponder(set, { maxFrameBytes: 4_096 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(side.receive(Uint8Array.of(0x61, ...bytes)).length).toBeLessThanOrEqual(4_096);
        } catch (error) {
          expect(error).toMatchObject({ code: "NEGENTROPY_MALFORMED" });
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("GR-177 a frame limit is zero or at least 4,096", () => {
    for (const maxFrameBytes of [1, 4_095, -1, Number.NaN])
      expect(() => createNegentropyResponder(set, { maxFrameBytes })).toThrow(
        expect.objectContaining({ code: "NEGENTROPY_MISUSED" }),
      );
  });
});
