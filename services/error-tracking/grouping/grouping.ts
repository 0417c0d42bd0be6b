import type { ErrorEvent } from "../error-event.js";

/** Per-project rules that change grouping; empty for projects that set none. */
export interface GroupingRules {
  /** Decides `in_app` before the client and the built-in rules do; undefined means no rule matches. */
  readonly inApp?: (frame: FrameLike, event: ErrorEvent) => boolean | undefined;
}

/** The part of a frame that rules look at. */
interface FrameLike {
  readonly function?: string | undefined;
  readonly module?: string | undefined;
  readonly filename?: string | undefined;
  readonly abs_path?: string | undefined;
  readonly package?: string | undefined;
}

export type Strategy =
  | "fingerprint"
  | "security"
  | "exception"
  | "thread"
  | "stacktrace"
  | "template"
  | "message"
  | "empty";

/** `app` looks at frames of the application only, `all` at every frame, `default` where there are no frames. */
export type VariantName = "app" | "all" | "default";

/** What one event is grouped by. */
export interface Grouping {
  readonly version: number;
  readonly strategy: Strategy;
  /** 1 to 8 of them, the primary one first. */
  readonly hashes: readonly GroupingHash[];
}

export interface GroupingHash {
  /** 32 lower-case hex digits. */
  readonly hash: string;
  readonly variant: VariantName;
  /** Why: everything that was looked at, and what of it counted. */
  readonly component: Component;
}

/** A node of the explanation; leaves hold the tokens that are hashed. */
export interface Component {
  readonly name: string;
  readonly contributes: boolean;
  /** Why it does not contribute, or what was done to it. */
  readonly hint?: string | undefined;
  /** What is hashed. Only leaves have one. */
  readonly token?: string | undefined;
  /** What was sent, where it differs from the token. */
  readonly original?: string | undefined;
  readonly parts?: readonly Component[] | undefined;
}

export const maxExplanationBytes = 16 * 1024;

/** The explanation as it is stored with a hash: JSON, cut at the deepest levels until it fits. */
export function explanationText(grouping: Grouping, hash: GroupingHash): string {
  const head = { version: grouping.version, strategy: grouping.strategy, variant: hash.variant };
  for (let depth = 8; depth > 0; depth--) {
    const text = JSON.stringify({ ...head, component: atDepth(hash.component, depth) });
    if (Buffer.byteLength(text) <= maxExplanationBytes) return text;
  }
  return JSON.stringify(head);
}

function atDepth(component: Component, depth: number): Component {
  const { parts, ...own } = component;
  if (parts === undefined) return component;
  if (depth === 1) return { ...own, hint: component.hint ?? `${parts.length} parts left out for length` };
  return { ...own, parts: parts.map((part) => atDepth(part, depth - 1)) };
}
