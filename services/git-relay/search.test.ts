import type { FilterJson } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectRaw, type RawClient } from "./testing/raw-client.js";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const alice = testSigner("alice");
const quiet = { auth: { challenge_on_connect: false }, limits: { requests_per_minute: 0 } };
const at = (created_at: number, content: string, tags: string[][] = [], kind = 1621) =>
  signEvent(alice, { kind, created_at, content, tags });

const events = {
  often: at(10, "Crash, crash and crash again"),
  once: at(30, "A crash in the parser; Ünïcode too"),
  subject: at(20, "It stops.", [["subject", "Crash of the lexer, a bad crash"]]),
  named: at(
    40,
    "",
    [
      ["d", "parser"],
      ["name", "The Parser"],
      ["description", "Reads source code"],
    ],
    30_617,
  ),
  other: at(50, "Nothing of that sort, no crashes"),
};

describe("words in filters", () => {
  let server: TestRelay;
  let client: RawClient;
  beforeAll(async () => {
    server = await startTestRelay({ relay: { ...quiet, search: { enabled: true } } });
    client = await connectRaw(server.url);
    for (const event of Object.values(events)) {
      client.send(["EVENT", event]);
      await client.until("OK");
    }
  });
  afterAll(() => server.destroy());

  const find = async (...filters: readonly FilterJson[]) => {
    client.send(["REQ", "s", ...filters]);
    const messages = await client.until("EOSE");
    client.send(["CLOSE", "s"]);
    const names = messages.flatMap(([, , event]) =>
      Object.entries(events).flatMap(([name, { id }]) =>
        typeof event === "object" && event !== null && "id" in event && event.id === id ? [name] : [],
      ),
    );
    return [names, messages.at(-1)?.[2]];
  };

  test.each<[string, FilterJson, string[]]>([
    ["the best match first, the newest of equal ones", { search: "crash" }, ["subject", "often", "once"]],
    ["whatever the case and the form of letters", { search: "PARSER ünïcode" }, ["once"]],
    ["all words, in content, name, description and subject", { search: "source parser" }, ["named"]],
    ["with the filter's other conditions", { search: "crash", until: 20 }, ["subject", "often"]],
    [
      "words that are unknown settings are passed over",
      { search: "crash language:en sort:top" },
      ["subject", "often", "once"],
    ],
    ["nothing but such settings asks for no word", { search: "nsfw:false", kinds: [30_617] }, ["named"]],
    ["no match", { search: "lexers" }, []],
  ])("GR-108 %s", async (_, filter, names) => {
    expect(await find(filter)).toEqual([names, ["finish"]]);
  });

  test("GR-108 the limit cuts after the ranking", async () => {
    expect(await find({ search: "crash", limit: 1 })).toEqual([["subject"], ["more"]]);
    expect(await find({ search: "crash", limit: 1 }, { search: "parser" })).toEqual([
      ["subject", "named", "once"],
      ["more"],
    ]);
  });

  test("GR-108 counts and live events follow the words, too; a reconciliation cannot", async () => {
    client.send(["COUNT", "c", { search: "crash" }, { kinds: [30_617] }]);
    expect(await client.next(([type]) => type === "COUNT")).toEqual(["COUNT", "c", { count: 4 }]);
    client.send(["REQ", "live", { search: "harbour", limit: 0 }]);
    await client.until("EOSE");
    for (const content of ["a port", "a harbour"]) client.send(["EVENT", at(60, content)]);
    expect((await client.until("EVENT")).at(-1)).toMatchObject(["EVENT", "live", { content: "a harbour" }]);
    client.send(["NEG-OPEN", "n", { search: "crash" }, "61"]);
    expect(await client.next(([type]) => type === "NEG-ERR")).toEqual([
      "NEG-ERR",
      "n",
      "unsupported: this relay does not search",
    ]);
  });

  test("GR-108 GR-003 it is off by default, and stands in the description only where it is on", async () => {
    const nipsOf = async ({ httpUrl }: TestRelay): Promise<unknown> =>
      JSON.parse(await (await fetch(httpUrl, { headers: { accept: "application/nostr+json" } })).text()).supported_nips;
    expect(await nipsOf(server)).toEqual([1, 9, 11, 34, 40, 42, 45, 50, 67, 70, 77]);
    const without = await startTestRelay({ relay: quiet });
    expect(await nipsOf(without)).toEqual([1, 9, 11, 34, 40, 42, 45, 67, 70, 77]);
    const stranger = await connectRaw(without.url);
    stranger.send(["REQ", "s", { search: "crash" }]);
    expect(await stranger.next()).toEqual(["CLOSED", "s", "unsupported: this relay does not search"]);
    await stranger.close();
    await without.destroy();
  });
});
