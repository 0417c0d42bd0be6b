import type { RefusalPrefix } from "../policy.js";
import type { EventSource } from "../store/port.js";

// What passes between the relay and the thread that runs the operator's module. Everything here can be copied.

/** What the module is told beside the event. */
export interface ModuleContext {
  /** A client, or another relay that we sync from. */
  readonly source: EventSource;
  /** Seconds since the Unix epoch. */
  readonly now: number;
  /** Keys that the sender proved to have. */
  readonly authenticated: readonly string[];
  /** Whether the event is about a repository that is announced here: it names one, or what belongs to one. */
  readonly isRelated: boolean;
  /** Addresses of announced repositories that the event names. */
  readonly repositories: readonly string[];
  /** For announcements and states: what is announced here under the same identifier. */
  readonly announcements: readonly ModuleAnnouncement[];
}

export interface ModuleAnnouncement {
  readonly address: string;
  /** Of the owner. */
  readonly pubkey: string;
  readonly identifier: string;
  readonly maintainers: readonly string[];
}

export type ModuleRequest =
  | { readonly kind: "load"; readonly path: string }
  | { readonly kind: "decide"; readonly event: object; readonly context: ModuleContext };

export type ModuleReply =
  | { readonly kind: "loaded" }
  /** The module cannot be used. */
  | { readonly kind: "unusable"; readonly message: string }
  | { readonly kind: "decided"; readonly answer: unknown }
  | { readonly kind: "thrown"; readonly message: string };

/** What a module may answer; nothing is as good as `accept`. */
export type ModuleDecision =
  | { readonly kind: "accept" }
  | { readonly kind: "reject"; readonly prefix: RefusalPrefix; readonly text: string };

/** How a refusal of an event may begin on the wire. `duplicate` would tell clients that the event is stored. */
const prefixes: readonly RefusalPrefix[] = [
  "auth-required",
  "blocked",
  "error",
  "invalid",
  "rate-limited",
  "restricted",
];
const maxTextLength = 500;

/** Reads what a module answered; nothing when it is no decision. */
export function readDecision(answer: unknown): ModuleDecision | undefined {
  if (answer === undefined || answer === null) return { kind: "accept" };
  if (typeof answer !== "object" || !("kind" in answer)) return undefined;
  if (answer.kind === "accept") return { kind: "accept" };
  if (answer.kind !== "reject" || !("prefix" in answer) || !("text" in answer)) return undefined;
  const prefix = prefixes.find((known) => known === answer.prefix);
  const { text } = answer;
  if (prefix === undefined || typeof text !== "string" || text === "") return undefined;
  return { kind: "reject", prefix, text: text.replaceAll(/\p{Cc}+/gu, " ").slice(0, maxTextLength) };
}
