import { isIdentifier } from "./announcement.js";
import type { NostrEvent } from "./event.js";
import { kinds } from "./kinds.js";
import { findPathConflict, isBranchOrTag, isObjectId } from "./ref-name.js";
import { tagValue } from "./tags.js";

/** What the refs of a repository should be (NIP-34, kind 30618). */
export interface RepositoryState {
  readonly id: string;
  readonly createdAt: number;
  readonly pubkey: string;
  readonly identifier: string;
  /** Object ids by full name, branches and tags only; symbolic ones are resolved. */
  readonly refs: ReadonlyMap<string, string>;
  /** The branch that `HEAD` names; it need not be among the refs. */
  readonly head: string | undefined;
}

export type ReadState =
  | { readonly kind: "state"; readonly state: RepositoryState }
  | { readonly kind: "invalid"; readonly reason: string };

const symbolPrefix = "ref: ";

/** Reads an event of kind 30618. Tags that name neither branch, tag nor `HEAD` take no part. */
export function readState(event: NostrEvent): ReadState {
  if (event.kind !== kinds.state) return invalid("a state is of kind 30618");
  const identifier = tagValue(event, "d");
  if (identifier === undefined) return invalid("the state has no d tag");
  if (!isIdentifier(identifier)) return invalid("the d tag is no identifier of a repository");

  const written = readValues(event);
  if (typeof written === "string") return invalid(written);
  const refs = new Map<string, string>();
  let head: string | undefined;
  for (const [name, value] of written) {
    if (name === "HEAD") {
      head = value.startsWith(symbolPrefix) ? value.slice(symbolPrefix.length) : value;
      if (!head.startsWith("refs/heads/") || !isBranchOrTag(head)) return invalid("HEAD names no branch");
      continue;
    }
    const id = resolve(value, written);
    if (id === undefined)
      return invalid(`${shown(name)} has neither an object id nor a ref of this state as its value`);
    refs.set(name, id);
  }
  const conflict = findPathConflict(refs.keys());
  if (conflict) return invalid(`${shown(conflict[0])} and ${shown(conflict[1])} cannot both exist`);
  return {
    kind: "state",
    state: { id: event.id, createdAt: event.created_at, pubkey: event.pubkey, identifier, refs, head },
  };
}

/** Values by name, or what is wrong with them. */
function readValues(event: NostrEvent): Map<string, string> | string {
  const written = new Map<string, string>();
  for (const [name = "", value = ""] of event.tags) {
    const takesPart = name === "HEAD" || name.startsWith("refs/heads/") || name.startsWith("refs/tags/");
    // What a tag object points at; git lists it, nobody can set it.
    if (!takesPart || name.endsWith("^{}")) continue;
    if (name !== "HEAD" && !isBranchOrTag(name)) return `${shown(name)} is no name of a branch or tag`;
    const before = written.get(name);
    if (before !== undefined && before !== value) return `${shown(name)} has two values`;
    written.set(name, value);
  }
  return written;
}

/** Follows symbolic values within the state. */
function resolve(value: string, written: ReadonlyMap<string, string>): string | undefined {
  let current: string | undefined = value;
  for (let steps = 0; current !== undefined && steps <= written.size; steps++) {
    if (isObjectId(current)) return current;
    if (!current.startsWith(symbolPrefix)) return undefined;
    current = written.get(current.slice(symbolPrefix.length));
  }
  return undefined;
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}

function invalid(reason: string): ReadState {
  return { kind: "invalid", reason };
}
