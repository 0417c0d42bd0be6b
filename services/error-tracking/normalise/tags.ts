import type { Pair } from "../digest/error-event.js";
import { note, type Place } from "./notes.js";
import { trimText } from "./trim.js";
import { pairs, type Sent } from "./values.js";

const maxTags = 100;
const maxKeyLength = 200;
const maxValueLength = 200;

/** Tags in the order sent, each key once (the last one wins), without line breaks. */
export function normaliseTags(raw: Sent, root: Place): Pair[] | undefined {
  const sent = pairs(raw, root, "tags");
  if (sent === undefined) return undefined;
  const byKey = new Map<string, string>();
  for (const [key, value] of sent) byKey.set(tagText(key, maxKeyLength), tagText(value, maxValueLength));
  const tags: Pair[] = [...byKey].filter(([key, value]) => key !== "" && value !== "");
  if (tags.length > maxTags) note(root, "too_many", "tags", `${tags.length} tags`);
  return tags.length > 0 ? tags.slice(0, maxTags) : undefined;
}

function tagText(sent: string, maxLength: number): string {
  return trimText(sent.replaceAll(/[\r\n]+/g, " ").trim(), maxLength);
}

export function tagValue(tags: readonly Pair[] | undefined, key: string): string | undefined {
  return tags?.find(([name]) => name === key)?.[1];
}
