import { describe, expect, test } from "vitest";
import { Subscription } from "./subscription.js";

const raw = (id: string): string => JSON.stringify({ id });
const open = () => {
  const sent: unknown[][] = [];
  let overflows = 0;
  const subscription = new Subscription({
    id: 's"1',
    filters: [],
    send: (text) => void sent.push(JSON.parse(text)),
    onOverflow: () => {
      overflows++;
      subscription.ended = true;
    },
  });
  return { subscription, sent, overflows: () => overflows };
};
const event = (id: string) => ["EVENT", 's"1', { id }];
const end = (hint?: string) => ["EOSE", 's"1', ...(hint === undefined ? [] : [[hint]])];

describe("GR-033 stored events, their end, live events", () => {
  test("GR-033 what is stored meanwhile comes after the end, unless the stored part brought it", () => {
    const { subscription, sent } = open();
    subscription.sendStored({ id: "a", createdAt: 1 }, raw("a"));
    subscription.sendLive("b", raw("b"));
    subscription.sendLive("c", raw("c"));
    subscription.sendStored({ id: "c", createdAt: 1 }, raw("c"));
    subscription.finishStored("finish");
    expect(sent).toEqual([event("a"), event("c"), end("finish"), event("b")]);
  });

  test("GR-033 an event that the stored part brought is not told again after the end, while its commit is being told", () => {
    const { subscription, sent } = open();
    subscription.sendStored({ id: "a", createdAt: 1 }, raw("a"));
    subscription.finishStored("more");
    subscription.sendLive("a", raw("a"));
    subscription.sendLive("b", raw("b"));
    subscription.forgetStored();
    subscription.sendLive("c", raw("c"));
    expect(sent).toEqual([event("a"), end("more"), event("b"), event("c")]);
  });

  test("GR-029 GR-035 an ended subscription says nothing", () => {
    const { subscription, sent } = open();
    subscription.sendLive("held back", raw("held back"));
    subscription.ended = true;
    subscription.sendStored({ id: "a", createdAt: 1 }, raw("a"));
    subscription.finishStored(undefined);
    subscription.sendLive("b", raw("b"));
    expect(sent).toEqual([]);
  });

  test("GR-010 GR-035 what waits for the end of the stored part is bounded", () => {
    const { subscription, sent, overflows } = open();
    for (let index = 0; index < 2_000; index++) subscription.sendLive(String(index), raw(String(index)));
    expect([overflows(), sent.length]).toEqual([1, 0]);
  });
});
