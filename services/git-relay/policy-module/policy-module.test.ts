import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { encodeNpub, kinds, type NostrEvent } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Verdict } from "../accept-event.js";
import type { EventSource } from "../store/port.js";
import { readRelaySettings, startTestRelay, type TestRelay } from "../testing/start-relay.js";
import { readDecision } from "./answers.js";
import { checkPolicyModule } from "./check-module.js";
import { createPolicyModule } from "./run-module.js";

const [owner, stranger] = [testSigner("owner"), testSigner("stranger")];
const domain = "here.example";
const faults = (reason: string): string => `signalbox_relay_policy_module_faults_total{reason="${reason}"}`;
/** More than any machine needs; what is cut off is cut off by a module that never ends. */
const patientMs = 10_000;
let directory: string;
const relays: TestRelay[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "policy-module-"));
});
afterEach(async () => {
  for (const relay of relays.splice(0)) await relay.destroy();
  rmSync(directory, { recursive: true });
});

function write(code: string, name = "policy.mjs"): string {
  const path = join(directory, name);
  writeFileSync(path, code);
  return path;
}

async function start(code: string, { budgetMs = patientMs, policy = {}, profile = "open" } = {}): Promise<TestRelay> {
  const relay = await startTestRelay({
    relay: {
      domain,
      profile,
      policy: { ...policy, module: write(code), module_budget_ms: budgetMs },
      auth: { challenge_on_connect: false },
    },
  });
  relays.push(relay);
  return relay;
}

function accept({ relay }: TestRelay, event: NostrEvent, source: EventSource = "client"): Promise<Verdict> {
  return relay.eventIntake.accept(event, { origin: { source, correlationId: "C" }, authenticated: new Set(["k"]) });
}

const note = (content: string, signer = stranger): NostrEvent => signEvent(signer, { content });

test("GR-145 GR-130 the module refuses what nothing else refuses, whoever sends it; what it accepts still meets the rules of its kind", async () => {
  const relay = await start(
    `export function decide(event, context) {
      if (event.content === "spam") return { kind: "reject", prefix: "blocked", text: "no\\nspam" };
      if (event.content === "who") return { kind: "reject", prefix: "restricted", text: context.source + " " + context.authenticated };
      if (event.content === "later") return Promise.resolve({ kind: "reject", prefix: "rate-limited", text: "later" });
      return event.content === "nothing" ? undefined : { kind: "accept" };
    }`,
    { profile: "grasp" },
  );
  const announcement = signAnnouncement(owner, { identifier: "shop", domains: [domain] });
  const about = (content: string) => signEvent(stranger, { content, tags: [repositoryTag(owner, "shop")] });
  expect(await accept(relay, announcement)).toEqual({ kind: "saved" });
  expect(await accept(relay, about("well"))).toEqual({ kind: "saved" });
  expect(await accept(relay, about("nothing"))).toEqual({ kind: "saved" });
  for (const source of ["client", "sync"] as const) {
    expect(await accept(relay, about("spam"), source)).toMatchObject({ prefix: "blocked", text: "no spam" });
    expect(await accept(relay, about("who"), source)).toMatchObject({ prefix: "restricted", text: `${source} k` });
  }
  expect(await accept(relay, about("later"))).toMatchObject({ prefix: "rate-limited", text: "later" });
  expect(await accept(relay, note("about nothing here"))).toMatchObject({ prefix: "blocked", unrelated: true });
  const broken = signEvent(owner, { kind: kinds.announcement, tags: [["d", ".."]] });
  expect(await accept(relay, broken)).toMatchObject({ prefix: "invalid" });
  for (const reason of ["throw", "overrun", "answer"]) expect(await relay.metric(faults(reason))).toBe(0);
});

test("GR-132 GR-145 the module is not asked about events of blocked authors, expired or deleted ones", async () => {
  const relay = await start("export function decide() { throw new Error('asked'); }", {
    policy: { blocked_authors: [encodeNpub(owner.publicKey)] },
  });
  const expired = signEvent(stranger, { tags: [["expiration", "1"]] });
  expect(await accept(relay, note("x", owner))).toMatchObject({ text: "the author is not welcome here" });
  expect(await accept(relay, expired)).toMatchObject({ text: "expired" });
  expect(await accept(relay, signEvent(stranger, { tags: [["-"]] }))).toMatchObject({ prefix: "auth-required" });
  expect(await relay.metric(faults("throw"))).toBe(0);
  expect(await accept(relay, note("y"))).toMatchObject({ prefix: "error", text: expect.stringContaining("failed") });
  expect(await relay.metric(faults("throw"))).toBe(1);
});

test("GR-145 what the module is told is what was accepted before, also an instant before", async () => {
  const relay = await start(
    `export const decide = (event, { isRelated, repositories, announcements }) => ({
      kind: event.kind === 1 ? "reject" : "accept",
      prefix: "blocked",
      text: JSON.stringify({ isRelated, repositories, announced: announcements.map(({ address }) => address) }),
    });`,
  );
  const [, address] = repositoryTag(owner, "shop");
  const announcement = signAnnouncement(owner, { identifier: "shop", domains: [domain] });
  const question = signEvent(stranger, { tags: [["a", address]] });
  const namesake = signEvent(stranger, { tags: [["d", "shop"]] });
  const [saved, asked] = await Promise.all([accept(relay, announcement), accept(relay, question)]);
  expect(saved).toEqual({ kind: "saved" });
  expect(JSON.parse(textOf(asked))).toEqual({ isRelated: true, repositories: [address], announced: [] });
  expect(JSON.parse(textOf(await accept(relay, note("alone"))))).toMatchObject({ isRelated: false, repositories: [] });
  expect(JSON.parse(textOf(await accept(relay, namesake)))).toMatchObject({ isRelated: false });
});

function textOf(verdict: Verdict): string {
  return verdict.kind === "rejected" ? verdict.text : "{}";
}

test("GR-145 a module that hangs is cut off and begins anew; its event is to be tried again, others are decided", async () => {
  const relay = await start(
    `export function decide({ content }) {
      if (content === "hang") for (;;);
      if (content === "wait") return new Promise(() => {});
    }`,
    { budgetMs: 50 },
  );
  for (const content of ["hang", "wait"])
    expect(await accept(relay, note(content))).toMatchObject({
      prefix: "error",
      text: expect.stringContaining("long"),
    });
  expect(await relay.metric(faults("overrun"))).toBeGreaterThanOrEqual(2);
  // On a busy machine 50 ms may be too little for anything.
  await expect.poll(() => accept(relay, note("go on")), { timeout: 60_000 }).toMatchObject({ kind: "saved" });
});

test("GR-145 a module that ends its thread or eats up its memory harms nobody else", async () => {
  const relay = await start(
    `export function decide({ content }) {
      if (content === "exit") process.exit(1);
      if (content === "eat") for (const all = []; ; ) all.push(new Array(1e6).fill(content));
    }`,
  );
  expect(await accept(relay, note("exit"))).toMatchObject({ prefix: "error" });
  expect(await accept(relay, note("eat"))).toMatchObject({ prefix: "error" });
  expect(await accept(relay, note("go on"))).toEqual({ kind: "saved" });
  // A slow machine may not get to eat up all of it in time.
  expect((await relay.metric(faults("throw"))) + (await relay.metric(faults("overrun")))).toBe(2);
});

test.each([
  ["hold", "({ kind: 'hold', message: 'wait' })"],
  ["a duplicate", "({ kind: 'reject', prefix: 'duplicate', text: 'x' })"],
  ["no text", "({ kind: 'reject', prefix: 'blocked' })"],
  ["a number", "1"],
  ["a function", "(() => 1)"],
])("GR-145 an answer that is no decision (%s) is a fault", async (_, answer) => {
  const relay = await start(`export function decide() { return ${answer}; }`);
  expect(await accept(relay, note("x"))).toMatchObject({ prefix: "error", text: expect.stringContaining("decision") });
  expect(await relay.metric(faults("answer"))).toBe(1);
});

test("GR-145 the text of a refusal is one line of bounded length", () => {
  const decision = readDecision({ kind: "reject", prefix: "blocked", text: `a\u0000\r\nb${"x".repeat(1_000)}` });
  expect(decision).toEqual({ kind: "reject", prefix: "blocked", text: `a b${"x".repeat(497)}` });
  expect(readDecision(null)).toEqual({ kind: "accept" });
});

test.each([
  ["is missing", undefined, "Cannot find"],
  ["exports nothing of the kind", "export const decide = 1;", "no function `decide`"],
  ["fails", "throw new Error('unready');", "unready"],
  ["is no module", "export {", "SyntaxError"],
])("GR-145 GR-477 a module that %s refuses the start", async (_, code, why) => {
  const path = join(directory, "bad.mjs");
  if (code !== undefined) writeFileSync(path, code);
  const module = createPolicyModule({
    path,
    budgetMs: patientMs,
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
  });
  await expect(module.start()).rejects.toMatchObject({
    code: "RELAY_BAD_POLICY_MODULE",
    message: expect.stringMatching(new RegExp(`bad\\.mjs.*${why}`, "s")),
  });
});

test("GR-004 GR-145 the relay's description says that there are rules of the operator's own", async () => {
  const relay = await start("export const decide = () => undefined;");
  const answer = await fetch(relay.httpUrl, { headers: { accept: "application/nostr+json" } });
  expect(await answer.json()).toMatchObject({
    curation: expect.stringContaining("rules of the operator"),
    repo_acceptance_criteria: expect.stringContaining("rules of the operator"),
  });
});

test("GR-145 GR-147 a module is tried on stored events: what would change is listed, and stays", async () => {
  const relay = await start("export const decide = () => undefined;");
  const now = Math.floor(systemClock.nowMs() / 1_000);
  const events = [
    signEvent(owner, { content: "old spam", created_at: now - 100 }),
    signEvent(owner, { content: "new spam", created_at: now - 5 }),
    signEvent(stranger, { content: "strange", created_at: now - 4 }),
    signEvent(stranger, { content: "well", created_at: now - 3 }),
  ];
  for (const event of events) expect(await accept(relay, event)).toEqual({ kind: "saved" });
  const path = write(
    `export function decide({ content }) {
      if (content.includes("spam")) return { kind: "reject", prefix: "blocked", text: "spam" };
      if (content === "strange") throw new Error("what?");
    }`,
    "other.mjs",
  );
  const check = (since: number, maxRefused = 10) =>
    checkPolicyModule({
      database: relay.database,
      clock: systemClock,
      logger: silentLogger,
      settings: readRelaySettings({ policy: { module_budget_ms: patientMs } }),
      path,
      since,
      maxRefused,
      signal: new AbortController().signal,
    });
  const [old, recent, strange] = events;
  const refused = [
    {
      id: strange?.id,
      kind: 1,
      author: encodeNpub(stranger.publicKey),
      createdAt: now - 4,
      message: "error: the relay's policy module failed, try again",
    },
    { id: recent?.id, kind: 1, author: encodeNpub(owner.publicKey), createdAt: now - 5, message: "blocked: spam" },
  ];
  expect(await check(now - 50)).toEqual({
    checked: 3,
    refused,
    isCut: false,
    faults: 1,
    slowestMs: expect.any(Number),
  });
  expect(await check(0)).toMatchObject({ checked: 4, refused: [...refused, { id: old?.id }], isCut: false });
  expect(await check(0, 1)).toMatchObject({ refused: [refused[0]], isCut: true });
  expect((await relay.relay.events.known(events.map(({ id }) => id))).size).toBe(4);
});

test("GR-145 the module that is shipped as an example refuses crowds and long texts, and takes all else", async () => {
  const example = fileURLToPath(new URL("../../../examples/relay-policy.mjs", import.meta.url));
  const relay = await startTestRelay({
    relay: { domain, policy: { module: example, module_budget_ms: patientMs }, auth: { challenge_on_connect: false } },
  });
  relays.push(relay);
  const crowd = Array.from({ length: 21 }, (_, index) => ["p", String(index)]);
  expect(await accept(relay, signAnnouncement(owner, { identifier: "shop", domains: [domain] }))).toEqual({
    kind: "saved",
  });
  expect(await accept(relay, note("well"))).toEqual({ kind: "saved" });
  expect(await accept(relay, signEvent(stranger, { tags: crowd.slice(1) }))).toEqual({ kind: "saved" });
  expect(await accept(relay, signEvent(stranger, { tags: crowd }))).toMatchObject({ prefix: "blocked" });
  expect(await accept(relay, note("x".repeat(20_001)))).toMatchObject({ prefix: "invalid" });
  const patch = signEvent(stranger, { kind: kinds.patch, content: "x".repeat(20_001) });
  expect(await accept(relay, patch)).toEqual({ kind: "saved" });
});

test("GR-145 GR-147 the review of stored events asks the module, too", async () => {
  const relay = await start(
    `let asked = 0; export const decide = () => asked++ === 0 ? undefined : { kind: "reject", prefix: "blocked", text: "changed my mind" };`,
  );
  expect(await accept(relay, note("x"))).toEqual({ kind: "saved" });
  expect(await relay.relay.review(10, new AbortController().signal)).toMatchObject({
    checked: 1,
    unfit: [{ message: "blocked: changed my mind" }],
  });
});
