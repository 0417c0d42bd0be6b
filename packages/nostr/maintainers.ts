import { compareNewestFirst } from "./address.js";
import { type Announcement, validMaintainers } from "./announcement.js";

/**
 * `listed`: whoever a member lists is a member. `reciprocal`: only if their own announcement of the repository also lists
 * a member.
 */
export type AuthorityMode = "listed" | "reciprocal";

/** Keys that may move the refs of one owner's repository. */
export interface MaintainerSet {
  readonly owner: string;
  /** By member: the keys through which it was admitted, from the owner to itself. The owner comes first. */
  readonly members: ReadonlyMap<string, readonly string[]>;
  /** Listed by a member without being one (yet), with the keys that list them. */
  readonly invited: ReadonlyMap<string, readonly string[]>;
  /** What stands among the maintainers and is no key. */
  readonly skipped: readonly string[];
}

type Lists = Pick<Announcement, "maintainers">;

const maxMembers = 1_000;

/**
 * The maintainer set of an owner's repository.
 * @param announcements the newest announcement of each author for one identifier, by author; the owner's among them
 */
export function maintainerSet(
  owner: string,
  announcements: ReadonlyMap<string, Lists>,
  mode: AuthorityMode = "listed",
): MaintainerSet {
  const members = new Map<string, readonly string[]>([[owner, [owner]]]);
  const invited = new Map<string, string[]>();
  const skipped = new Set<string>();
  const lists = (key: string): readonly string[] => {
    const announcement = announcements.get(key);
    return announcement ? validMaintainers(announcement) : [];
  };
  const mayJoin = (key: string): boolean => mode === "listed" || lists(key).some((listed) => members.has(listed));

  // A new member can make somebody eligible who was passed over before, so it is repeated until nothing changes.
  for (let before = 0; before !== members.size; ) {
    before = members.size;
    for (const [member, chain] of members) {
      for (const key of lists(member)) {
        if (members.has(key) || members.size >= maxMembers || !mayJoin(key)) continue;
        members.set(key, [...chain, key]);
      }
    }
  }
  for (const member of members.keys()) {
    const valid = new Set(lists(member));
    for (const text of announcements.get(member)?.maintainers ?? []) if (!valid.has(text)) skipped.add(text);
    for (const key of valid) {
      if (!members.has(key)) invited.set(key, [...(invited.get(key) ?? []), member]);
    }
  }
  return { owner, members, invited, skipped: [...skipped] };
}

/** The state that governs: the newest whose author is a member. */
export function latestState<State extends { readonly id: string; readonly createdAt: number; readonly pubkey: string }>(
  states: Iterable<State>,
  members: { has(pubkey: string): boolean },
): State | undefined {
  let latest: State | undefined;
  for (const state of states) {
    if (members.has(state.pubkey) && (!latest || isLater(state, latest))) latest = state;
  }
  return latest;
}

function isLater<State extends { readonly id: string; readonly createdAt: number }>(one: State, other: State): boolean {
  const version = ({ id, createdAt }: State) => ({ id, created_at: createdAt });
  return compareNewestFirst(version(one), version(other)) < 0;
}
