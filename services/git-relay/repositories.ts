import type { Clock } from "@signalbox/kernel";
import {
  type Announcement,
  type AuthorityMode,
  commitOf,
  compareNewestFirst,
  encodeNpub,
  type FilterJson,
  kinds,
  latestState,
  type MaintainerSet,
  maintainerSet,
  type NostrEvent,
  type RepositoryState,
  readEvent,
  readFilter,
  readState,
  tagValue,
  tagValues,
} from "@signalbox/nostr";
import { readStoredAnnouncement } from "./store/facts.js";
import type { EventPosition, RelayEvents } from "./store/port.js";

/** One that was announced here. */
export interface Repository {
  readonly announcement: Announcement;
  readonly position: EventPosition;
  readonly npub: string;
  /** What its owner's profile says, where the relay has that. */
  readonly ownerName: string | undefined;
}

export type ConversationKind = "issue" | "patch" | "pull_request";
export type ConversationStatus = "open" | "applied" | "closed" | "draft";

/** An issue, a patch or a pull request. */
export interface Conversation {
  readonly id: string;
  readonly kind: ConversationKind;
  readonly subject: string;
  readonly author: string;
  readonly createdAt: number;
  readonly status: ConversationStatus;
  /** What a pull request proposes. */
  readonly commit: string | undefined;
}

export interface RepositoryDetail extends Repository {
  readonly maintainers: MaintainerSet;
  /** What its refs should be, as the newest state of a maintainer says. */
  readonly state: RepositoryState | undefined;
  /** Newest first, at most 100. */
  readonly conversations: readonly Conversation[];
}

export interface Repositories {
  /** Announcements newest first, one more than `limit` if there are more. */
  list(limit: number, after?: EventPosition): Promise<readonly Repository[]>;
  find(pubkey: string, identifier: string): Promise<RepositoryDetail | undefined>;
}

export interface RepositoriesOptions {
  readonly events: RelayEvents;
  readonly clock: Clock;
  readonly authority: AuthorityMode;
}

const maxConversations = 100;
const statusOfKind: Readonly<Record<number, ConversationStatus>> = {
  1630: "open",
  1631: "applied",
  1632: "closed",
  1633: "draft",
};
const kindOfConversation: Readonly<Record<number, ConversationKind>> = {
  [kinds.issue]: "issue",
  [kinds.patch]: "patch",
  [kinds.pullRequest]: "pull_request",
};

/** Reads what the stored events say about repositories. */
export function createRepositories({ events, clock, authority }: RepositoriesOptions): Repositories {
  const readMatching = async (json: FilterJson, limit: number, after?: EventPosition): Promise<Found[]> => {
    const read = readFilter(json);
    if (read.kind !== "filter") throw new Error(read.reason);
    const now = Math.floor(clock.nowMs() / 1_000);
    const options = { now, pageSize: Math.min(500, limit), ...(after && { after }) };
    const stream = events.stream(read.filter, options);
    const found: Found[] = [];
    while (found.length < limit) {
      const page = (await stream.next()).slice(0, limit - found.length);
      if (page.length === 0) break;
      const texts = await events.load(
        page.map(({ id }) => id),
        now,
      );
      for (const position of page) {
        const raw = texts.get(position.id);
        const event = raw === undefined ? undefined : readEvent(JSON.parse(raw));
        if (raw !== undefined && event?.kind === "event") found.push({ position, raw, event: event.event });
      }
    }
    return found;
  };

  /** By public key, of those whose profiles are here. */
  const namesOf = async (pubkeys: readonly string[]): Promise<ReadonlyMap<string, string>> => {
    if (pubkeys.length === 0) return new Map();
    const authors = [...new Set(pubkeys)];
    const profiles = await readMatching({ kinds: [kinds.profile], authors }, authors.length);
    return new Map(
      profiles.flatMap(({ event }) => {
        const name = nameOfProfile(event.content);
        return name === undefined ? [] : [[event.pubkey, name] as const];
      }),
    );
  };

  const conversationsOf = async (
    address: string,
    maintainers: MaintainerSet["members"],
  ): Promise<readonly Conversation[]> => {
    const rootKinds = [kinds.issue, kinds.patch, kinds.pullRequest];
    const roots = await readMatching({ kinds: rootKinds, "#a": [address] }, maxConversations);
    if (roots.length === 0) return [];
    const ids = roots.map(({ event }) => event.id);
    const statuses = await readMatching({ kinds: Object.keys(statusOfKind).map(Number), "#e": ids }, 2_000);
    return roots.map(({ event }) =>
      describeConversation(
        event,
        statuses.map((status) => status.event),
        maintainers,
      ),
    );
  };

  return {
    async list(limit, after) {
      const found = await readMatching({ kinds: [kinds.announcement] }, limit + 1, after);
      const names = await namesOf(found.map(({ event }) => event.pubkey));
      return found.flatMap(({ position, raw }) => {
        const announcement = readStoredAnnouncement(raw);
        if (!announcement) return [];
        const { pubkey } = announcement;
        return [{ announcement, position, npub: encodeNpub(pubkey), ownerName: names.get(pubkey) }];
      });
    },

    async find(pubkey, identifier) {
      const found = await readMatching({ kinds: [kinds.announcement], "#d": [identifier] }, 1_000);
      const announcements = new Map(
        found.flatMap(({ raw, position }) => {
          const announcement = readStoredAnnouncement(raw);
          return announcement?.identifier === identifier
            ? [[announcement.pubkey, { announcement, position }] as const]
            : [];
        }),
      );
      const own = announcements.get(pubkey);
      if (!own) return undefined;
      const lists = new Map([...announcements].map(([author, { announcement }]) => [author, announcement]));
      const maintainers = maintainerSet(pubkey, lists, authority);
      const states = await readMatching(
        { kinds: [kinds.state], authors: [...maintainers.members.keys()], "#d": [identifier] },
        1_000,
      );
      const readable = states.flatMap(({ event }) => {
        const read = readState(event);
        return read.kind === "state" && read.state.identifier === identifier ? [read.state] : [];
      });
      return {
        ...own,
        npub: encodeNpub(pubkey),
        ownerName: (await namesOf([pubkey])).get(pubkey),
        maintainers,
        state: latestState(readable, maintainers.members),
        conversations: await conversationsOf(own.announcement.address, maintainers.members),
      };
    },
  };
}

interface Found {
  readonly position: EventPosition;
  readonly raw: string;
  readonly event: NostrEvent;
}

/** The newest status that the author of the conversation or a maintainer has set counts. */
function describeConversation(
  root: NostrEvent,
  statuses: readonly NostrEvent[],
  maintainers: MaintainerSet["members"],
): Conversation {
  const [newest] = statuses
    .filter(({ pubkey }) => pubkey === root.pubkey || maintainers.has(pubkey))
    .filter((status) => tagValues(status, "e").includes(root.id))
    .sort(compareNewestFirst);
  return {
    id: root.id,
    kind: kindOfConversation[root.kind] ?? "issue",
    subject: tagValue(root, "subject") ?? firstLine(root.content),
    author: root.pubkey,
    createdAt: root.created_at,
    status: (newest && statusOfKind[newest.kind]) ?? "open",
    commit: root.kind === kinds.pullRequest ? commitOf(root) : undefined,
  };
}

/** People write their profiles as they like; what is no name is none. */
function nameOfProfile(content: string): string | undefined {
  try {
    const profile: unknown = JSON.parse(content);
    if (typeof profile !== "object" || profile === null) return undefined;
    const names = ["display_name", "name"].map((field): unknown => Reflect.get(profile, field));
    const name = names.find((value): value is string => typeof value === "string" && value.trim() !== "");
    return name?.trim().slice(0, 100);
  } catch {
    return undefined;
  }
}

function firstLine(text: string): string {
  return (text.split("\n", 1)[0] ?? "").slice(0, 200);
}
