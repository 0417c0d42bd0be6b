import ipaddr from "ipaddr.js";
import { expect, test } from "vitest";
import { isAllowListEntry, parseAllowList } from "./allow-list.js";

test("PF-037 an address or network lets its addresses pass and no other", () => {
  const allowed = parseAllowList(["10.1.0.0/16", "192.168.7.7", "fd00:1::/32", "::1"]);
  const passing = ["10.1.0.1", "10.1.255.255", "192.168.7.7", "fd00:1::9", "::1"];
  const refused = ["10.2.0.1", "192.168.7.8", "fd00:2::9", "::2", "127.0.0.1", "::ffff:10.1.0.1"];
  expect(passing.filter((address) => !allowed.hasAddress(ipaddr.parse(address)))).toEqual([]);
  expect(refused.filter((address) => allowed.hasAddress(ipaddr.parse(address)))).toEqual([]);
});

test("PF-037 a name stands for itself, a star for all names below its domain", () => {
  const allowed = parseAllowList(["Hooks.internal.", "*.forge.lan"]);
  expect(["hooks.internal", "git.forge.lan", "a.b.forge.lan"].every((host) => allowed.hasHost(host))).toBe(true);
  expect(["internal", "x.hooks.internal", "forge.lan", "notforge.lan"].some((host) => allowed.hasHost(host))).toBe(
    false,
  );
});

test("PF-037 letting NAT64 pass opens no way to private addresses behind it", () => {
  const allowed = parseAllowList(["64:ff9b::/96", "2002::/16", "10.9.0.0/16"]);
  expect(allowed.hasAddress(ipaddr.parse("64:ff9b::808:808"))).toBe(true);
  expect(allowed.hasAddress(ipaddr.parse("64:ff9b::a00:1"))).toBe(false);
  expect(allowed.hasAddress(ipaddr.parse("64:ff9b::7f00:1"))).toBe(false);
  expect(allowed.hasAddress(ipaddr.parse("2002:7f00:1::"))).toBe(false);
  expect(allowed.hasAddress(ipaddr.parse("64:ff9b::a09:1"))).toBe(true);
});

test.each([
  "",
  "10.0.0.0/33",
  "10.0.0",
  "10.0.0.1/",
  "fd00::/129",
  "http://host",
  "host:80",
  "a..b",
  "*",
  "10.0.0.0/8/8",
  "a b",
])("PF-037 %j is refused as an entry", (entry) => {
  expect(isAllowListEntry(entry)).toBe(false);
  expect(() => parseAllowList([entry])).toThrow(TypeError);
});
