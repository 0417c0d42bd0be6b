import { createHash } from "node:crypto";
import { createPace } from "@signalbox/kernel";
import type { Definitions } from "./definitions.js";
import { generate, generateTextOf, type RuleFormat, type RuleSettings } from "./rules/index.js";

/** Generated from the definitions that are in force. */
export interface RuleFile {
  readonly text: string;
  readonly etag: string;
}

/** What operators load elsewhere; made when it is asked for, and again when the definitions have changed. */
export interface RuleFiles {
  file(format: RuleFormat): Promise<RuleFile>;
  /** The part of one definition in the rules of Prometheus; absent when there is none. */
  partOf(experienceId: string): RuleFile | undefined;
}

export function createRuleFiles(
  definitions: Pick<Definitions, "registry" | "etag">,
  settings: RuleSettings,
): RuleFiles {
  const made = new Map<RuleFormat, { readonly of: string; readonly file: Promise<RuleFile> }>();

  const make = async (format: RuleFormat): Promise<RuleFile> => {
    // A thousand definitions take most of a second, in which checkpoints come in.
    const pace = createPace();
    const pieces: string[] = [];
    for (const piece of generate(format, definitions.registry.definitions, settings)) {
      pieces.push(piece);
      await pace();
    }
    return ruleFile(pieces.join(""));
  };

  return {
    file(format) {
      const known = made.get(format);
      if (known?.of === definitions.etag) return known.file;
      const file = make(format);
      made.set(format, { of: definitions.etag, file });
      return file;
    },
    partOf(experienceId) {
      const text = generateTextOf(experienceId, definitions.registry.definitions, settings);
      return text === undefined ? undefined : ruleFile(text);
    },
  };
}

function ruleFile(text: string): RuleFile {
  return { text, etag: `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"` };
}
