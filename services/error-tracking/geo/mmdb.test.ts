import fc from "fast-check";
import { expect, test } from "vitest";
import { ip4Bits, ip4OnlyBits, makeMmdb } from "../testing/mmdb-file.js";
import { placeOf } from "./locate.js";
import { openMmdb } from "./mmdb.js";

const berlin = {
  country: { iso_code: "DE", names: { en: "Germany", de: "Deutschland" } },
  subdivisions: [{ iso_code: "BE", names: { en: "Land Berlin" } }],
  city: { names: { en: "Berlin" } },
  location: { latitude: 52.5, accuracy_radius: 100 },
  traits: { is_anycast: true },
};

test.each([24, 28, 32] as const)(
  "ET-141 country, region and city of an address, with records of %i bits",
  (recordBits) => {
    const filler = Array.from({ length: 300 }, (_, index): [string, string] => [`n${index}`, "x".repeat(20)]);
    const database = openMmdb(
      makeMmdb(
        [
          [ip4Bits("192.0.2.0", 24), Object.fromEntries(filler)],
          [ip4Bits("203.0.113.0", 24), berlin],
          [ip4Bits("198.51.100.7", 32), { ...berlin, city: { names: { en: "Potsdam" } } }],
          ["0010000000000001", { registered_country: { iso_code: "FR" } }],
        ],
        { recordBits },
      ),
    );
    const place = (address: string) => placeOf(database, address);
    expect(place("203.0.113.9")).toEqual({ country_code: "DE", region: "Land Berlin", city: "Berlin" });
    expect(place("::ffff:203.0.113.9")).toEqual(place("203.0.113.9"));
    expect(place("198.51.100.7")?.city).toBe("Potsdam");
    expect(place("198.51.100.8")).toBeUndefined();
    expect(place("192.0.2.1")).toBeUndefined();
    expect(place("2001:db8::1")).toEqual({ country_code: "FR", region: undefined, city: undefined });
    for (const none of ["2002::1", "::1", "10.0.0.1", "", "nobody", "1.2.3"])
      expect([none, place(none)]).toEqual([none, undefined]);
  },
);

test("ET-141 a database of IPv4 alone knows no IPv6", () => {
  const database = openMmdb(makeMmdb([[ip4OnlyBits("203.0.113.0", 24), berlin]], { ipVersion: 4 }));
  expect(placeOf(database, "203.0.113.9")?.country_code).toBe("DE");
  expect(placeOf(database, "2001:db8::1")).toBeUndefined();
});

test("ET-141 a file that is no database is refused", () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from("no database"), Buffer.from("\xab\xcd\xefMaxMind.com", "latin1")])
    expect(() => openMmdb(bytes)).toThrow(RangeError);
});

test("ET-141 a broken database knows less, and breaks nothing", () => {
  const whole = makeMmdb([[ip4Bits("203.0.113.0", 24), berlin]]);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
      const broken = Buffer.from(whole);
      broken[at] = byte;
      let database: ReturnType<typeof openMmdb>;
      try {
        database = openMmdb(broken);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        return;
      }
      placeOf(database, "203.0.113.9");
    }),
  );
});
