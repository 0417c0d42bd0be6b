import { createHash } from "node:crypto";
import { mayHoldSecrets, type Pattern, patternOf, standardPatterns } from "./patterns.js";
import type { ScrubMethod, ScrubSettings } from "./scrub-settings.js";
import type { NameRules } from "./sensitive-names.js";

export const filtered = "[Filtered]";

/** Called with the name of the rule whenever it changed something. */
export type OnScrubbed = (rule: string) => void;

/** Replaces what has the form of a secret: card numbers, keys, credentials, and what the project chose beside. */
export function scrubPatterns(text: string, settings: ScrubSettings, onScrubbed: OnScrubbed): string {
  let scrubbed = text;
  if (mayHoldSecrets.test(text)) {
    for (const pattern of standardPatterns) scrubbed = replacePattern(scrubbed, pattern, "replace", onScrubbed);
  }
  if (settings.emails && text.includes("@"))
    scrubbed = replacePattern(scrubbed, patternOf("email"), "replace", onScrubbed);
  if (settings.addresses) scrubbed = replacePattern(scrubbed, patternOf("ip"), "replace", onScrubbed);
  return scrubbed;
}

export function replacePattern(text: string, pattern: Pattern, method: ScrubMethod, onScrubbed: OnScrubbed): string {
  return text.replace(pattern.find, (found: string) => {
    if (pattern.verify && !pattern.verify(found)) return found;
    onScrubbed(pattern.kind);
    return method === "replace" ? `[${pattern.kind}]` : disguise(found, method);
  });
}

/** What a method makes of a secret. */
export function disguise(secret: string, method: ScrubMethod): string {
  if (method === "remove") return "";
  if (method === "replace") return filtered;
  if (method === "hash") return createHash("sha256").update(secret).digest("hex").slice(0, 32);
  return secret.replaceAll(/[^\s]/gu, "*");
}

// A value ends where the next name begins; source code and prose have spaces around the sign and are left alone.
const assignment = /(?<=^|[?&;\s"'(,])([\w.[\]%-]{1,200})=([^&;\s"'<>,]{1,8192})/g;

/** Takes the values of sensitive names out of query strings, forms and cookies, wherever they stand in a text. */
export function scrubAssignments(text: string, isSensitive: (name: string) => boolean, onScrubbed: OnScrubbed): string {
  if (!text.includes("=")) return text;
  return text.replace(assignment, (found: string, name: string, value: string) => {
    if (value === filtered || !isSensitive(decoded(name))) return found;
    onScrubbed("name");
    return `${name}=${filtered}`;
  });
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

const jsonMember = /"((?:[^"\\]|\\.){1,200})"(\s{0,100}:\s{0,100})("(?:[^"\\]|\\.)*"?|[^\s,{}[\]"]+|[{[])/g;

/** The same for JSON that is cut off or otherwise cannot be parsed. */
export function scrubBrokenJson(text: string, names: NameRules, onScrubbed: OnScrubbed): string {
  let cutAt = -1;
  const scrubbed = text.replace(jsonMember, (found: string, name: string, colon: string, value: string, at: number) => {
    if (cutAt >= 0 || !names.isSensitive(name)) return found;
    onScrubbed("name");
    if (value === "{" || value === "[") {
      // Where the object ends cannot be told, so everything from here on goes.
      cutAt = at;
      return found;
    }
    return `"${name}"${colon}"${filtered}"`;
  });
  if (cutAt < 0) return scrubbed;
  const head = scrubBrokenJson(text.slice(0, cutAt), names, () => {});
  return `${head}${filtered}`;
}
