import { setTimeout as sleep } from "node:timers/promises";
import { npubEncode } from "nostr-tools/nip19";
import { finalizeEvent, generateSecretKey, getPublicKey } from "nostr-tools/pure";
import { Relay, useWebSocketImplementation } from "nostr-tools/relay";
import WebSocket from "ws";

// Node 20 has none of its own.
useWebSocketImplementation(WebSocket);

const repositoryAnnouncement = 30_617;
const patch = 1_617;
const issue = 1_621;
const applied = 1_631;
const subjects = [
  "The runner keeps its cache forever",
  "Show how long a job waited",
  "Docs: how to announce a repository",
  "A retried job loses its artifacts",
] as const;

/** Announces the repositories of the forge on its relay, opens issues and sends patches, as a Nostr client does. */
export async function announceRepositories(
  relayUrl: string,
  neighbours: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const owner = generateSecretKey();
  const npub = npubEncode(getPublicKey(owner));
  const web = relayUrl.replace(/^ws/, "http");
  const relay = await connect(relayUrl, signal);
  if (relay === undefined) return;
  const now = (): number => Math.floor(Date.now() / 1_000);
  try {
    for (const name of ["forge", "runner", "docs"]) {
      const tags = [
        ["d", name],
        ["name", name],
        ["description", `The ${name} of the example forge`],
        ["clone", `${web}/${npub}/${name}.git`],
        ["relays", relayUrl, ...neighbours],
      ];
      await publish(
        relay,
        finalizeEvent({ kind: repositoryAnnouncement, created_at: now(), tags, content: "" }, owner),
      );
    }
    const address = ["a", `${repositoryAnnouncement}:${getPublicKey(owner)}:forge`];
    for (let number = 0; !signal.aborted; number++) {
      const subject = subjects[number % subjects.length] ?? "";
      const isPatch = number % 3 === 2;
      const opened = finalizeEvent(
        {
          kind: isPatch ? patch : issue,
          created_at: now(),
          tags: [address, ["p", getPublicKey(owner)], ["subject", subject]],
          content: isPatch ? `From 0000000000000000000000000000000000000000\nSubject: [PATCH] ${subject}\n` : subject,
        },
        owner,
      );
      await publish(relay, opened);
      if (isPatch)
        await publish(
          relay,
          finalizeEvent({ kind: applied, created_at: now(), tags: [["e", opened.id], address], content: "" }, owner),
        );
      await sleep(number < subjects.length ? 1_000 : 60_000, undefined, { signal }).catch(() => {});
    }
  } finally {
    relay.close();
  }
}

/** A relay may refuse an event; the others are published all the same. */
async function publish(relay: Relay, event: Parameters<Relay["publish"]>[0]): Promise<void> {
  await relay.publish(event).catch(() => {});
}

/** The relay's listener may open after this does; undefined when it is too late. */
async function connect(url: string, signal: AbortSignal): Promise<Relay | undefined> {
  while (!signal.aborted) {
    try {
      return await Relay.connect(url);
    } catch {
      await sleep(1_000, undefined, { signal }).catch(() => {});
    }
  }
  return undefined;
}
