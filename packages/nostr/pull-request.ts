import type { NostrEvent } from "./event.js";
import { kinds } from "./kinds.js";
import { isObjectId } from "./ref-name.js";
import { tagValue } from "./tags.js";

/** A pull request or an update of one (kinds 1618 and 1619). */
export function isPullRequestKind(kind: number): boolean {
  return kind === kinds.pullRequest || kind === kinds.pullRequestUpdate;
}

/** The commit that a pull request, or an update of one, proposes; nothing when its `c` tag holds no object id. */
export function commitOf(event: Pick<NostrEvent, "tags">): string | undefined {
  const commit = tagValue(event, "c");
  return commit !== undefined && isObjectId(commit) ? commit : undefined;
}
