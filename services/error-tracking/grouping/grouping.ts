import type { ErrorEvent, Frame } from "../digest/error-event.js";
import type { FingerprintRules } from "./fingerprint-rules.js";
import type { StackRules } from "./stack-rules.js";

/** Per-project rules that change grouping; empty for projects that set none. */
export interface GroupingRules {
  /** Decides `in_app` before the client and the built-in rules do; undefined means no rule matches. */
  readonly inApp?: ((frame: Frame, event: ErrorEvent) => boolean | undefined) | undefined;
  /** Rules over whole stacks, oldest frame first. */
  readonly stack?: StackRules | undefined;
  /** Finds the rule that replaces the client's fingerprint. */
  readonly fingerprint?: FingerprintRules | undefined;
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
  /** The project's rule that decided, and what the client had asked for instead. */
  readonly rule?: { readonly text: string; readonly clientFingerprint?: readonly string[] | undefined } | undefined;
  /** How that rule wants the issue to be called. */
  readonly title?: string | undefined;
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

/** The explanation as it is stored with a hash: JSON, its texts `clean`ed, cut at the deepest levels until it fits. */
export function explanationText(
  grouping: Grouping,
  hash: GroupingHash,
  clean: (text: string) => string = (text) => text,
): string {
  const { version, strategy, rule } = grouping;
  const head = { version, strategy, variant: hash.variant, rule };
  const component = cleaned(hash.component, clean);
  for (let depth = 8; depth > 0; depth--) {
    const text = JSON.stringify({ ...head, component: atDepth(component, depth) });
    if (Buffer.byteLength(text) <= maxExplanationBytes) return text;
  }
  return JSON.stringify(head);
}

function cleaned(component: Component, clean: (text: string) => string): Component {
  const { token, original, parts } = component;
  return {
    ...component,
    ...(token === undefined ? {} : { token: clean(token) }),
    ...(original === undefined ? {} : { original: clean(original) }),
    ...(parts === undefined ? {} : { parts: parts.map((part) => cleaned(part, clean)) }),
  };
}

function atDepth(component: Component, depth: number): Component {
  const { parts, ...own } = component;
  if (parts === undefined) return component;
  if (depth === 1) return { ...own, hint: component.hint ?? `${parts.length} parts left out for length` };
  return { ...own, parts: parts.map((part) => atDepth(part, depth - 1)) };
}
