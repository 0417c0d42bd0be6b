import type { ErrorEvent } from "../digest/error-event.js";
import type { Grouping, GroupingRules } from "./grouping.js";
import { groupV1 } from "./v1/group.js";

/** Versions stay for ever: issues of older events were made by them. */
const versions: ReadonlyMap<number, (event: ErrorEvent, rules: GroupingRules) => Grouping> = new Map([[1, groupV1]]);

const newestGroupingVersion = 1;

/** Pure: the same event, rules and version give the same hashes everywhere and always. */
export function groupEvent(event: ErrorEvent, rules: GroupingRules = {}, version = newestGroupingVersion): Grouping {
  const group = versions.get(version);
  if (group === undefined) throw new RangeError(`There is no grouping version ${version}`);
  return group(event, rules);
}
