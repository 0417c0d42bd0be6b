import { isUrgency, type Urgency } from "@signalbox/experience/urgency";
import { refuse } from "../check-options.js";
import type { KnownExperience } from "../known-experiences.js";

/** What a page has to know of a definition. Whole definition files fit too: the rest of them is left alone. */
export interface PageDefinition {
  readonly feature_category: string;
  readonly urgency: Urgency;
}

/** By id. */
export type PageDefinitions = Readonly<Record<string, PageDefinition>>;

const namePattern = /^[a-z][a-z0-9_]{0,63}$/;

/** @throws {ExperienceSdkError} `EXPERIENCE_OPTIONS_INVALID` for the first one that is not valid */
export function readDefinitions(definitions: unknown): ReadonlyMap<string, KnownExperience> {
  if (!isRecord(definitions)) return refuse("definitions", "must be an object of them by id");
  const known = new Map<string, KnownExperience>();
  for (const [id, content] of Object.entries(definitions)) known.set(id, readDefinition(id, content));
  return known;
}

function readDefinition(id: string, content: unknown): KnownExperience {
  const { feature_category: featureCategory, urgency } = isRecord(content) ? content : {};
  const isValid = namePattern.test(id) && typeof featureCategory === "string" && namePattern.test(featureCategory);
  if (!isValid || !isUrgency(urgency)) return refuse(`definitions.${id}`, "needs a feature_category and an urgency");
  return { id, featureCategory, urgency };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
