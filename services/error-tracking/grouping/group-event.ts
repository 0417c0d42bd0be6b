import type { ErrorEvent } from "../digest/error-event.js";
import type { Grouping, GroupingRules } from "./grouping.js";
import { groupV1 } from "./v1/group.js";

/** Pure: the same event and rules give the same hashes everywhere and always. */
export type GroupingAlgorithm = (event: ErrorEvent, rules: GroupingRules) => Grouping;

/** Versions stay for ever: issues of older events were made by them. A test may add one that is to come. */
export const groupingVersions: Map<number, GroupingAlgorithm> = new Map([[1, groupV1]]);

/** The version of projects that were made when there was no other. */
export const firstGroupingVersion = 1;
const newestGroupingVersion = 1;

/** Pure: the same event, rules and version give the same hashes everywhere and always. */
export function groupEvent(event: ErrorEvent, rules: GroupingRules = {}, version = newestGroupingVersion): Grouping {
  const group = groupingVersions.get(version);
  if (group === undefined) throw new RangeError(`There is no grouping version ${version}`);
  return group(event, rules);
}
