import { expect, test } from "vitest";
import { makeRepository } from "../../testing/simulation/git-world.js";
import { ourDomain, simulate } from "../../testing/simulation/simulation.js";

const [limited, leaving, down, mute] = ["limited.example", "leaving.example", "down.example", "mute.example"] as const;
const passMs = 2_000;

test("GR-334 a pass prunes, tries to connect, goes on after rests, forgets old mistakes and shows health, in this order", () => {
  const asked: { readonly atMs: number; readonly what: string }[] = [];
  let nowMs = (): number => 0;
  const note = (what: string): void => void asked.push({ atMs: nowMs(), what });
  return simulate({ bootstrap: [limited, down], onAsked: note }, async (world) => {
    nowMs = () => world.clock.nowMs();
    const shop = makeRepository({
      random: world.random.fork("shop"),
      name: "shop",
      domains: [ourDomain, limited, leaving],
    });
    const peer = world.addPeer(limited, { events: shop.events });
    const pruned = world.addPeer(leaving, { events: shop.events });
    world.addPeer(down).goDown();
    await world.start();
    for (const host of [limited, leaving]) await world.until("it is in sync", () => world.status(host) === "connected");
    const moved = makeRepository({
      random: world.random.fork("moved"),
      name: "shop",
      domains: [ourDomain, limited],
      from: Date.UTC(2025, 10, 1) / 1_000,
      roots: 0,
    });
    await world.publish(moved.announcement);
    await world.advance(30_000);
    peer.say(["NOTICE", "too many requests, slow down"]);
    await world.until("it is pruned", () => world.log.removed.includes(pruned.url));
    const { at } = world.log.transitions.find(({ to }) => to === "disconnecting") ?? { at: 0 };
    const pass = asked.filter(({ atMs }) => atMs === at).map(({ what }) => what);
    const first = (what: string): number => pass.indexOf(what);
    expect(pass.filter((what) => what === "naughty.expire")).toHaveLength(1);
    const steps = ["health.attemptAllowed", "health.rateLimitedUntil", "naughty.expire", "health.state"].map(first);
    expect(steps).not.toContain(-1);
    expect(steps.slice(0, 3)).toEqual([...steps.slice(0, 3)].sort((one, other) => one - other));
    expect(pass.lastIndexOf("health.state")).toBeGreaterThan(first("naughty.expire"));
    // Before anything else the pruned one said how it was at its end.
    expect(pass.slice(0, first("health.attemptAllowed"))).toEqual(["health.state", "health.failures"]);
  });
});

test("GR-334 passes follow each other every two seconds, whatever peers and their handshakes wait for", () => {
  const passes: number[] = [];
  let nowMs = (): number => 0;
  const onAsked = (what: string): void => void (what === "naughty.expire" && passes.push(nowMs()));
  return simulate({ bootstrap: [mute, down], onAsked }, async (world) => {
    nowMs = () => world.clock.nowMs();
    world.addPeer(mute, { behaviour: { isSilent: true, information: "silent" } });
    world.addPeer(down, { behaviour: { handshake: "never" } });
    await world.start();
    const from = passes.length;
    await world.advance(20 * passMs);
    const later = passes.slice(from);
    expect(later).toHaveLength(20);
    for (const [index, atMs] of later.entries()) expect(atMs - (later[0] ?? 0)).toBe(index * passMs);
  });
});
