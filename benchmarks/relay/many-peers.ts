import type { AddressInfo } from "node:net";
import { matchesFilter, readFilter, type VerifiedEvent } from "@signalbox/nostr";
import { makeConversation } from "@signalbox/testing/nostr";
import { type WebSocket, WebSocketServer } from "ws";

// Many small relays in one process: `many-peers GOOD BAD HOST`. The good ones all have the events of a repository that HOST
// serves; of the bad ones each second is silent, and the others want everybody to slow down. Writes their addresses to
// standard output, the good ones first, and ends with its standard input.

const [, , good, bad, host = ""] = process.argv;
let events: readonly VerifiedEvent[] = [];

type Answer = (socket: WebSocket, message: readonly unknown[]) => void;

const answerWell: Answer = (socket, [verb, id, ...filters]) => {
  if (verb === "NEG-OPEN") socket.send(JSON.stringify(["NEG-ERR", id, "error: not here"]));
  if (verb !== "REQ") return;
  for (const json of filters) {
    const read = readFilter(json);
    if (read.kind !== "filter" || read.filter.limit === 0) continue;
    const { filter } = read;
    for (const event of events.filter((each) => matchesFilter(filter, each)))
      socket.send(JSON.stringify(["EVENT", id, event]));
  }
  socket.send(JSON.stringify(["EOSE", id, ["finish"]]));
};

const saySlowDown: Answer = (socket) => socket.send('["NOTICE","rate limit exceeded, slow down"]');
const stayQuiet: Answer = () => {};

async function listen(answer: Answer): Promise<string> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data) => answer(socket, JSON.parse(String(data))));
  });
  await new Promise((resolve) => server.once("listening", resolve));
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const listenAll = (count: number, answer: (index: number) => Answer): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => listen(answer(index))));
const goodUrls = await listenAll(Number(good), () => answerWell);
const badUrls = await listenAll(Number(bad), (index) => (index % 2 === 0 ? stayQuiet : saySlowDown));
events = makeConversation({ identifier: "shop", hosts: [host], relays: goodUrls, roots: 60 }).events;
process.stdout.write(`${JSON.stringify([...goodUrls, ...badUrls])}\n`);
process.stdin.resume().once("end", () => process.exit(0));
