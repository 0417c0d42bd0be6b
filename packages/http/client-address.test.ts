import { describe, expect, test } from "vitest";
import { createClientAddresses } from "./client-address.js";

describe("the client's address", () => {
  const addresses = createClientAddresses(["127.0.0.0/8", "::1", "10.0.0.0/8", "2001:db8::/32"]);
  const of = (peer: string, forwardedFor?: string) => addresses.of({ remoteAddress: peer }, forwardedFor);

  test("is the peer's unless the peer is a trusted proxy", () => {
    expect(of("203.0.113.9", "198.51.100.1")).toBe("203.0.113.9");
    expect(of("127.0.0.1")).toBe("127.0.0.1");
    expect(createClientAddresses([]).of({ remoteAddress: "127.0.0.1" }, "198.51.100.1")).toBe("127.0.0.1");
  });

  test("is the right-most entry that is no trusted proxy, whatever a client wrote to the left of it", () => {
    expect(of("127.0.0.1", "198.51.100.1")).toBe("198.51.100.1");
    expect(of("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.1.2.3")).toBe("198.51.100.1");
    expect(of("::ffff:127.0.0.1", "2001:db8::7, 2a00::1, 2001:db8::5")).toBe("2a00::1");
    expect(of("10.0.0.1", "10.0.0.3, 10.0.0.2")).toBe("10.0.0.3");
  });

  test("reads ports, brackets, zones and mapped forms, and stops at what is no address", () => {
    expect(of("127.0.0.1", "198.51.100.1:4711")).toBe("198.51.100.1");
    expect(of("127.0.0.1", "[2A00::1]:4711")).toBe("2a00::1");
    expect(of("127.0.0.1", "::ffff:198.51.100.1")).toBe("198.51.100.1");
    expect(of("127.0.0.1", "198.51.100.1, unknown")).toBe("127.0.0.1");
    expect(of("127.0.0.1", "198.51.100.1, , 10.0.0.2")).toBe("10.0.0.2");
    expect(createClientAddresses([]).of({}, undefined)).toBe("0.0.0.0");
  });

  test("needs proxies that are addresses or networks", () => {
    for (const entry of ["proxy.example", "10.0.0.0/33", "10.0.0.0/", "::1/129", "10.0.0.0/x", ""])
      expect(() => createClientAddresses([entry])).toThrow(expect.objectContaining({ code: "HTTP_PROXY_INVALID" }));
  });
});
