/** Kinds that the packages and the relay know by name. */
export const kinds = Object.freeze({
  profile: 0,
  deletion: 5,
  repost: 6,
  genericRepost: 16,
  giftWrap: 1059,
  comment: 1111,
  patch: 1617,
  pullRequest: 1618,
  pullRequestUpdate: 1619,
  issue: 1621,
  graspList: 10_317,
  auth: 22_242,
  announcement: 30_617,
  state: 30_618,
});

export type KindClass = "regular" | "replaceable" | "ephemeral" | "addressable";

/** How many versions of an event are kept, and for how long. */
export function classOfKind(kind: number): KindClass {
  if (kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000)) return "replaceable";
  if (kind >= 20_000 && kind < 30_000) return "ephemeral";
  if (kind >= 30_000 && kind < 40_000) return "addressable";
  return "regular";
}

/** Kinds that begin a conversation about a repository. */
export function isRootKind(kind: number): boolean {
  return kind === kinds.patch || kind === kinds.pullRequest || kind === kinds.issue;
}
