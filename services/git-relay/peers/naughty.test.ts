import { createVirtualClock } from "@signalbox/kernel";
import { beforeEach, expect, test } from "vitest";
import type { PeerFailure, PeerFailureKind } from "../sync/ports.js";
import { testPeer } from "../testing/test-peer.js";
import { type CountedNaughtyList, createNaughtyList } from "./naughty.js";

const hourMs = 3_600_000;
let clock = createVirtualClock();
let naughty: CountedNaughtyList;
const peer = testPeer("wss://peer.example");

beforeEach(() => {
  clock = createVirtualClock();
  naughty = createNaughtyList({ clock });
});

const failure = (kind: PeerFailureKind, code: string, message = ""): PeerFailure => ({ kind, code, message });
const unknownName = failure("dns", "ENOTFOUND");

test.each<[PeerFailureKind, string, string]>([
  ["dns", "ENOTFOUND", "dns_lookup_failed"],
  ["dns", "ENODATA", "dns_lookup_failed"],
  ["tls", "CERT_HAS_EXPIRED", "tls_certificate_invalid"],
  ["tls", "DEPTH_ZERO_SELF_SIGNED_CERT", "tls_certificate_invalid"],
  ["tls", "ERR_TLS_CERT_ALTNAME_INVALID", "tls_certificate_invalid"],
  ["tls", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls_certificate_invalid"],
  ["protocol", "HTTP_404", "protocol_error"],
  ["protocol", "WS_ERR_INVALID_OPCODE", "protocol_error"],
])("a failure %s %s is %s", (kind, code, category) => {
  naughty.record(peer, failure(kind, code));
  expect(naughty.find(peer)?.category).toBe(category);
});

test.each<[PeerFailureKind, string]>([
  ["dns", "EAI_AGAIN"],
  ["timeout", "ETIMEDOUT"],
  ["refused", "ECONNREFUSED"],
  ["lost", "ECONNRESET"],
  ["refused", "ENETUNREACH"],
  ["refused", "EHOSTUNREACH"],
  ["tls", "ECONNRESET"],
  ["tls", "EPROTO"],
  ["target_not_allowed", "EGRESS_REFUSED"],
])("a failure %s %s lists nobody, whatever its text says", (kind, code) => {
  naughty.record(peer, failure(kind, code, "getaddrinfo ENOTFOUND certificate has expired protocol error"));
  expect(naughty.find(peer)).toBeNull();
});

test("an entry lasts 12 h from the first sighting", async () => {
  naughty.record(peer, unknownName);
  await clock.advanceBy(11 * hourMs);
  naughty.record(peer, failure("tls", "CERT_HAS_EXPIRED"));
  expect(naughty.find(peer)).toMatchObject({
    category: "tls_certificate_invalid",
    since: clock.nowMs() - 11 * hourMs,
    until: clock.nowMs() + hourMs,
  });
  await clock.advanceBy(hourMs);
  expect(naughty.find(peer)).toBeNull();
  expect(naughty.attemptAllowed(peer)).toBe(true);
});

test("while listed, a peer is tried once an hour at most", async () => {
  naughty.record(peer, unknownName);
  expect(naughty.nextAttemptAt(peer)).toBe(clock.nowMs() + hourMs);
  await clock.advanceBy(hourMs - 1);
  expect(naughty.attemptAllowed(peer)).toBe(false);
  await clock.advanceBy(1);
  expect(naughty.attemptAllowed(peer)).toBe(true);
  naughty.onAttempt(peer);
  expect(naughty.attemptAllowed(peer)).toBe(false);
});

test("how long entries last is a setting", async () => {
  const short = createNaughtyList({ clock, listedMs: hourMs / 2 });
  short.record(peer, unknownName);
  await clock.advanceBy(hourMs / 2);
  expect(short.attemptAllowed(peer)).toBe(true);
});

test("a repair clears the entry", () => {
  naughty.record(peer, unknownName);
  naughty.clear(peer);
  expect(naughty.attemptAllowed(peer)).toBe(true);
});

test("GR-416 entries are counted by category until they end", async () => {
  naughty.record(peer, unknownName);
  naughty.record(testPeer("wss://other.example"), failure("protocol", "HTTP_200"));
  expect(naughty.counts()).toEqual({ dns_lookup_failed: 1, tls_certificate_invalid: 0, protocol_error: 1 });
  await clock.advanceBy(12 * hourMs);
  expect(naughty.counts()).toEqual({ dns_lookup_failed: 0, tls_certificate_invalid: 0, protocol_error: 0 });
  naughty.expire();
  expect(naughty.find(peer)).toBeNull();
});
