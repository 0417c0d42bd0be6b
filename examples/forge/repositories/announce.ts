import { setTimeout as sleep } from "node:timers/promises";
import { npubEncode } from "nostr-tools/nip19";
import { finalizeEvent, generateSecretKey, getPublicKey } from "nostr-tools/pure";
import { Relay, useWebSocketImplementation } from "nostr-tools/relay";
import WebSocket from "ws";

// Node 20 has none of its own.
useWebSocketImplementation(WebSocket);

const kinds = {
  patch: 1_617,
  pullRequest: 1_618,
  issue: 1_621,
  open: 1_630,
  applied: 1_631,
  closed: 1_632,
  draft: 1_633,
  announcement: 30_617,
  state: 30_618,
} as const;

/** What people bring to the repository `forge`, again and again, and what becomes of it. */
const conversations = [
  { kind: "issue", subject: "The runner keeps its cache forever", status: undefined },
  { kind: "patch", subject: "Show how long a job waited", status: "applied" },
  { kind: "issue", subject: "Docs: how to announce a repository", status: "closed" },
  { kind: "pullRequest", subject: "Keep the artifacts of a retried job", status: undefined },
  { kind: "pullRequest", subject: "Try the new runner", status: "draft" },
] as const;

const refs = {
  "refs/heads/main": "9c1185a5c5e9fc54612808977ee8f548b2258d31",
  "refs/heads/release": "e5f3a0c7b1d24886a9fbc0d1e2f3a4b5c6d7e8f9",
  "refs/heads/new-runner": "27d1c8b6a5948372615f4e3d2c1b0a9f8e7d6c5b",
  "refs/tags/v1.4.2": "e5f3a0c7b1d24886a9fbc0d1e2f3a4b5c6d7e8f9",
} as const;

/** Announces the repositories of the forge on its relay, opens issues and sends patches, as a Nostr client does. */
export async function announceRepositories(
  relayUrl: string,
  neighbours: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const relay = await connect(relayUrl, signal);
  if (relay === undefined) return;
  const [owner, maintainer] = [generateSecretKey(), generateSecretKey()];
  const web = relayUrl.replace(/^ws/, "http");
  const say = async (author: Uint8Array, kind: number, tags: string[][], content = ""): Promise<string> => {
    const event = finalizeEvent({ kind, created_at: Math.floor(Date.now() / 1_000), tags, content }, author);
    await publish(relay, event);
    return event.id;
  };
  const announce = (author: Uint8Array, name: string, tags: string[][] = []): Promise<string> =>
    say(author, kinds.announcement, [
      ["d", name],
      ["name", name],
      ["description", descriptions[name] ?? ""],
      ["clone", `${web}/${npubEncode(getPublicKey(author))}/${name}.git`],
      ["relays", relayUrl, ...neighbours],
      ...tags,
    ]);
  try {
    await announce(owner, "forge", [["maintainers", getPublicKey(maintainer)]]);
    await announce(owner, "runner");
    await announce(owner, "docs");
    await announce(maintainer, "forge", [["maintainers", getPublicKey(owner)]]);
    await say(maintainer, kinds.state, [["d", "forge"], ["HEAD", "ref: refs/heads/main"], ...Object.entries(refs)]);
    const address = ["a", `${kinds.announcement}:${getPublicKey(owner)}:forge`];
    for (let number = 0; !signal.aborted; number++) {
      const { kind, subject, status } = conversations[number % conversations.length] ?? conversations[0];
      const tags = [address, ["p", getPublicKey(owner)], ["subject", subject]];
      if (kind === "pullRequest")
        tags.push(["c", refs["refs/heads/new-runner"]], ["clone", `${web}/someone/forge.git`]);
      const content = kind === "patch" ? `From ${refs["refs/heads/main"]}\nSubject: [PATCH] ${subject}\n` : subject;
      const id = await say(owner, kinds[kind], tags, content);
      if (status !== undefined) await say(maintainer, kinds[status], [["e", id], address]);
      await sleep(number < conversations.length ? 1_000 : 60_000, undefined, { signal }).catch(() => {});
    }
  } finally {
    relay.close();
  }
}

const descriptions: Readonly<Record<string, string>> = {
  forge: "Merge requests, pipelines, search",
  runner: "Runs the jobs of pipelines",
  docs: "How to use the forge",
};

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
