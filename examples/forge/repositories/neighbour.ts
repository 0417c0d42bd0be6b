import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Filter, matchFilters } from "nostr-tools/filter";
import { npubEncode } from "nostr-tools/nip19";
import { type Event, finalizeEvent, generateSecretKey, getPublicKey, verifyEvent } from "nostr-tools/pure";
import type WebSocket from "ws";
import { WebSocketServer } from "ws";

const repositoryAnnouncement = 30_617;
const issue = 1_621;
const comment = 1_111;

const issues = [
  "Mirror the image of the runner",
  "The nightly build needs 40 minutes",
  "Say in the README which architectures there are",
] as const;

/** A small relay of somebody else, with one repository that is announced on ours, too. */
export interface Neighbour {
  readonly url: string;
  close(): void;
}

/** Starts the neighbour, whose people go on talking about their repository. */
export async function startNeighbour(relayUrl: string, signal: AbortSignal): Promise<Neighbour> {
  const events = new Map<string, Event>();
  const connections = new Set<Connection>();
  // The same address after a restart, so that it is the same neighbour; another one if somebody else has that.
  const server = await listen(portBeside(relayUrl)).catch(() => listen(0));
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}`;

  const take = (event: Event): void => {
    events.set(event.id, event);
    for (const { socket, subscriptions } of connections)
      for (const [id, filters] of subscriptions)
        if (matchFilters(filters, event)) socket.send(JSON.stringify(["EVENT", id, event]));
  };

  server.on("connection", (socket) => {
    const connection: Connection = { socket, subscriptions: new Map() };
    connections.add(connection);
    socket.on("close", () => connections.delete(connection));
    socket.on("error", () => socket.terminate());
    socket.on("message", (data) => answer(connection, parse(String(data)), events, take));
  });

  void talk(relayUrl, url, take, signal);
  void passOnStrays(connections, signal);
  return {
    url,
    close() {
      for (const { socket } of connections) socket.terminate();
      server.close();
    },
  };
}

async function listen(port: number): Promise<WebSocketServer> {
  const server = new WebSocketServer({ host: "127.0.0.1", port });
  await once(server, "listening");
  return server;
}

interface Connection {
  readonly socket: WebSocket;
  readonly subscriptions: Map<string, Filter[]>;
}

/** As much of the protocol as a relay cannot do without. */
function answer(
  { socket, subscriptions }: Connection,
  message: readonly unknown[],
  events: ReadonlyMap<string, Event>,
  take: (event: Event) => void,
): void {
  const say = (...parts: readonly unknown[]): void => socket.send(JSON.stringify(parts));
  const [verb, first, ...rest] = message;
  if (verb === "EVENT") {
    const event = first as Event;
    const isValid = verifyEvent(event);
    if (isValid) take(event);
    say("OK", event.id, isValid, isValid ? "" : "invalid: the signature is wrong");
  } else if (verb === "REQ" && typeof first === "string") {
    const filters = rest as Filter[];
    for (const event of stored(events, filters)) say("EVENT", first, event);
    say("EOSE", first);
    subscriptions.set(first, filters);
  } else if (verb === "CLOSE" && typeof first === "string") subscriptions.delete(first);
  else say("NOTICE", `unknown message: ${String(verb)}`);
}

function* stored(events: ReadonlyMap<string, Event>, filters: readonly Filter[]): Generator<Event> {
  const sorted = [...events.values()].sort((one, other) => other.created_at - one.created_at);
  for (const filter of filters) yield* sorted.filter((event) => matchFilters([filter], event)).slice(0, filter.limit);
}

function parse(text: string): readonly unknown[] {
  try {
    const message: unknown = JSON.parse(text);
    return Array.isArray(message) ? message : [];
  } catch {
    return [];
  }
}

async function talk(
  relayUrl: string,
  ownUrl: string,
  take: (event: Event) => void,
  signal: AbortSignal,
): Promise<void> {
  const owner = generateSecretKey();
  const npub = npubEncode(getPublicKey(owner));
  const web = relayUrl.replace(/^ws/, "http");
  const now = (): number => Math.floor(Date.now() / 1_000);
  const say = (kind: number, tags: string[][], content: string): void =>
    take(finalizeEvent({ kind, created_at: now(), tags, content }, owner));
  say(
    repositoryAnnouncement,
    [
      ["d", "runner-images"],
      ["name", "runner-images"],
      ["description", "Images for the runners, kept by a neighbour"],
      ["clone", `${web}/${npub}/runner-images.git`],
      ["relays", relayUrl, ownUrl],
    ],
    "",
  );
  const address = ["a", `${repositoryAnnouncement}:${getPublicKey(owner)}:runner-images`];
  for (let number = 0; !signal.aborted; number++) {
    const subject = issues[number % issues.length] ?? "";
    say(issue, [address, ["p", getPublicKey(owner)], ["subject", subject]], subject);
    await sleep(number < issues.length ? 2_000 : 45_000, undefined, { signal }).catch(() => {});
  }
}

/** Now and then a comment on a repository that is announced nowhere, to whoever asks for anything: relays do such things. */
async function passOnStrays(connections: ReadonlySet<Connection>, signal: AbortSignal): Promise<void> {
  const author = generateSecretKey();
  while (!signal.aborted) {
    const listening = [...connections].filter(({ subscriptions }) => subscriptions.size > 0);
    const tags = [["A", `${repositoryAnnouncement}:${getPublicKey(generateSecretKey())}:runner-base`]];
    const stray = finalizeEvent(
      { kind: comment, created_at: Math.floor(Date.now() / 1_000), tags, content: "I have seen this, too" },
      author,
    );
    for (const { socket, subscriptions } of listening)
      for (const id of [...subscriptions.keys()].slice(0, 1)) socket.send(JSON.stringify(["EVENT", id, stray]));
    await sleep(listening.length === 0 ? 1_000 : 240_000, undefined, { signal }).catch(() => {});
  }
}

function portBeside(relayUrl: string): number {
  const port = Number(new URL(relayUrl.replace(/^ws/, "http")).port);
  return port > 0 ? port + 1 : 0;
}
