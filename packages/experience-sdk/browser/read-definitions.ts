import { isUrgency, type Urgency } from "@signalbox/experience/urgency";
import { refuse } from "../check-options.js";
import { isRecord } from "../is-record.js";
import type { KnownExperience } from "../known-experiences.js";
import { isName } from "../names.js";

/** What a page has to know of a definition. Whole definition files fit too: the rest of them is left alone. */
export interface PageDefinition {
  readonly feature_category: string;
  readonly urgency: Urgency;
}

/** By id. */
export type PageDefinitions = Readonly<Record<string, PageDefinition>>;

/** @throws {ExperienceSdkError} `EXPERIENCE_OPTIONS_INVALID` for the first one that is not valid */
export function readDefinitions(definitions: unknown): ReadonlyMap<string, KnownExperience> {
  if (!isRecord(definitions)) return refuse("definitions", "must be an object of them by id");
  const known = new Map<string, KnownExperience>();
  for (const [id, content] of Object.entries(definitions)) known.set(id, readDefinition(id, content));
  return known;
}

function readDefinition(id: string, content: unknown): KnownExperience {
  const { feature_category: featureCategory, urgency } = isRecord(content) ? content : {};
  if (!isName(id) || !isName(featureCategory) || !isUrgency(urgency))
    return refuse(`definitions.${id}`, "needs a feature_category and an urgency");
  return { id, featureCategory, urgency };
}
