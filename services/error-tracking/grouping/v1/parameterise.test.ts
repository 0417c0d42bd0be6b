import { describe, expect, test } from "vitest";
import { parameterise } from "./parameterise.js";

const kinds: Readonly<Record<string, readonly string[]>> = {
  email: ["ann@example.com", "a.b+c@mail.example.co.uk"],
  url: ["https://example.com/a?b=c#d", "wss://x.example:8080/y", "ftp://host/file"],
  hostname: ["api.example.com", "db-1.internal", "WWW.EXAMPLE.ORG"],
  ip: ["192.168.0.1", "2001:db8::1", "::1", "::ffff:10.0.0.1", "fe80:0:0:0:1:2:3:4", "2001:db8:1:2:3:4:5:6"],
  traceparent: ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "1-5759e988-bd862e3fe1be46a994272793"],
  uuid: ["7a1c9d9e-9f7e-4b57-8a10-0c8f9f0b1f2d", "7A1C9D9E-9F7E-4B57-8A10-0C8F9F0B1F2D"],
  sha1: ["da39a3ee5e6b4b0d3255bfef95601890afd80709"],
  md5: ["d41d8cd98f00b204e9800998ecf8427e"],
  date: [
    "2026-01-02",
    "2026-01-02T03:04:05.678Z",
    "2026-01-02 03:04:05+02:00",
    "Fri, 02 Jan 2026 03:04:05 GMT",
    "Friday, 02-Jan-26 03:04:05 GMT",
    "Fri Jan 02 2026 03:04:05 GMT+0100 (Central European Standard Time)",
    "Fri Jan  2 03:04:05 2026",
    "Mon Jan 02, 1999",
    "03:04:05.678",
    "3:04 PM",
    "datetime.datetime(2026, 1, 2, 3, 4)",
  ],
  duration: ["12ms", "1.5s", "300us"],
  swift_txn_id: ["tx274a77a8975c4a66aeb24-0052d95365"],
  hex: ["0x7f3c", "deadbeef01", "DEADBEEF01"],
  git_sha: ["9cf1a2b"],
  float: ["3.14", "-0.5", "1.5e-3"],
  int: ["7", "-42", "1234567"],
};

describe("parameterise", () => {
  for (const [kind, samples] of Object.entries(kinds)) {
    test.each(samples)(`ET-204 ${kind} %s`, (sample) => {
      expect(parameterise(sample)).toBe(`<${kind}>`);
      expect(parameterise(`got ${sample} here`)).toBe(`got <${kind}> here`);
    });
  }

  test.each([
    ["words", "could not find the user in table accounts"],
    ["identifiers with digits", "utf8 sha256sum x86_64 v2 http2_error"],
    ["C++ names", "std::vector A::b Foo::Bar::baz"],
    ["long numbers without hex form", "word7 7word"],
    ["a class path", "com.acme.orders.OrderService"],
    ["quotes without an equals sign", "no such key 'x'"],
  ])("ET-204 %s stay as they are", (_kind, text) => {
    expect(parameterise(text)).toBe(text);
  });

  test("ET-204 a quoted text or a truth value counts only after an equals sign, which stays", () => {
    expect(parameterise("name='ann' ok=true done=False other=\"x y\"")).toBe(
      "name=<quoted_str> ok=<bool> done=<bool> other=<quoted_str>",
    );
    expect(parameterise("it is true")).toBe("it is true");
  });

  test("ET-204 the earlier rule wins at a position, and the text after a match is read on", () => {
    expect(parameterise("from ann@example.com to 10.0.0.1:8080 in 3 tries")).toBe(
      "from <email> to <ip>:<int> in <int> tries",
    );
    expect(parameterise("took 5 s of 10s")).toBe("took <int> s of <duration>");
  });

  test("ET-204 long runs of what begins like a match take no time that explodes", () => {
    const starts = [
      "a",
      "1",
      "-",
      ".",
      "@",
      ":",
      "/",
      "0x",
      "=",
      "'",
      "a.",
      "1.",
      "1:",
      "::",
      "a@b.",
      "Jan ",
      "2026-",
      "00-",
    ];
    const before = process.cpuUsage();
    for (const one of starts)
      for (const other of starts) {
        const text = (one + other).repeat(8192).slice(0, 8192);
        expect(parameterise(text)).toBeTypeOf("string");
      }
    // Some seconds when every pattern is linear, hours when one is not.
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(60_000);
  }, 120_000);
});
