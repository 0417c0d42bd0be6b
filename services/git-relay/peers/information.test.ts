import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { createEgressGuard } from "@signalbox/kernel";
import { afterEach, expect, test, vi } from "vitest";
import type { PeerUrl } from "../sync/ports.js";
import { testPeer } from "../testing/test-peer.js";
import { createInformationSource } from "./information.js";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const source = createInformationSource({ guard: createEgressGuard({ allowPrivate: ["127.0.0.1"] }) });
const fetchFrom = (url: PeerUrl) => source.fetch(url, new AbortController().signal);

async function serve(listener: RequestListener): Promise<PeerUrl> {
  const server = createServer(listener);
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return testPeer(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/relay`);
}

const serveText = (text: string, status = 200): Promise<PeerUrl> =>
  serve((_, response) => void response.writeHead(status).end(text));

test("a peer says who it is and what its limits are", async () => {
  const self = "a".repeat(64);
  const asked: unknown[] = [];
  const url = await serve(({ url: path, headers }, response) => {
    asked.push([path, headers.accept]);
    response.end(
      JSON.stringify({
        self,
        software: "some-relay",
        version: "1.2",
        limitation: { default_limit: 100, max_limit: 500, max_subscriptions: 20 },
      }),
    );
  });
  expect(await fetchFrom(url)).toEqual({
    self,
    defaultLimit: 100,
    maxLimit: 500,
    maxSubscriptions: 20,
    software: "some-relay",
    version: "1.2",
  });
  expect(asked).toEqual([["/relay", "application/nostr+json"]]);
});

test("what has a wrong type is as if it were not there", async () => {
  const url = await serveText(
    JSON.stringify({ self: "A".repeat(64), software: 1, limitation: { default_limit: -1, max_limit: "500" } }),
  );
  expect(await fetchFrom(url)).toEqual({});
});

test.each(["not json", "[]", "null", '"text"'])("nothing can be had from %j", async (text) => {
  expect(await fetchFrom(await serveText(text))).toBeNull();
});

test("nothing can be had from a page of an error, and from one that is too large", async () => {
  expect(await fetchFrom(await serveText("{}", 404))).toBeNull();
  expect(await fetchFrom(await serveText(JSON.stringify({ software: "x".repeat(300_000) })))).toBeNull();
});

test("GR-395 descriptions are asked for through the guard, and redirects are not followed", async () => {
  const reached = vi.fn();
  const target = await serve((_, response) => {
    reached();
    response.end("{}");
  });
  const url = await serve((_, response) =>
    response.writeHead(302, { location: target.replace("ws:", "http:") }).end("{}"),
  );
  expect(await fetchFrom(url)).toBeNull();
  const strict = createInformationSource({ guard: createEgressGuard() });
  expect(await strict.fetch(target, new AbortController().signal)).toBeNull();
  expect(reached).not.toHaveBeenCalled();
});

test("asking can be given up", async () => {
  const url = await serve(() => {});
  const controller = new AbortController();
  const asked = source.fetch(url, controller.signal);
  controller.abort();
  expect(await asked).toBeNull();
});
