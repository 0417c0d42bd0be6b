import {
  type Announcement,
  type AuthorityMode,
  classOfKind,
  commitOf,
  embedsProtected,
  expirationOf,
  isProtected,
  isPullRequestKind,
  kinds,
  listsService,
  maintainerSet,
  type NostrEvent,
  readAnnouncement,
  readReferences,
  readState,
  type ServiceAddress,
} from "@signalbox/nostr";
import type { EndOf } from "./event-end.js";
import type { RepositoryRule } from "./repository-rules.js";
import type { EventSource, Facts } from "./store/port.js";

/** How a refusal begins on the wire. */
export type RefusalPrefix =
  | "auth-required"
  | "blocked"
  | "duplicate"
  | "error"
  | "invalid"
  | "rate-limited"
  | "restricted";

export type Decision =
  /** `anchor`: events that refer to it are related to a repository because of it. */
  { readonly kind: "accept"; readonly anchor: boolean } | Refusal;

export interface Refusal {
  readonly kind: "reject";
  readonly prefix: RefusalPrefix;
  readonly text: string;
  /** Only the relation to a repository is missing, which a later event can bring. */
  readonly unrelated?: true;
}

/** What a decision may look at; a snapshot. */
export interface PolicyContext {
  readonly facts: Facts;
  /** Seconds since the Unix epoch. */
  readonly now: number;
  /** Keys that the sender proved to have. */
  readonly authenticated: ReadonlySet<string>;
  /** What the operator's own module has against the event. */
  readonly objection?: Refusal | undefined;
}

/** Refusals of announcements and states that a later announcement can overcome. */
export const refusals = {
  notListed: "announcement does not list this service in clone and relays",
  notAnnounced: "no announcement for this repository is known here",
  notMaintainer: "author is not a maintainer",
} as const;

/** Decides about an event whose shape, id and signature are right. Pure: the same arguments, the same decision. */
export type Policy = (event: NostrEvent, context: PolicyContext, source: EventSource) => Decision;

export interface PolicyOptions {
  /** `grasp`: what concerns repositories announced for this service; `open`: every valid event. */
  readonly profile: "grasp" | "open";
  /** What announcements have to list; asked for each time, since the port may be known late. */
  service(): ServiceAddress;
  readonly blockedAuthors: ReadonlySet<string>;
  /** Empty: announcements of all repositories that list the service are accepted. */
  readonly repositories: readonly RepositoryRule[];
  readonly blockedRepositories: readonly RepositoryRule[];
  readonly authority: AuthorityMode;
  /** Default: as events say themselves. */
  readonly endOf?: EndOf;
}

const anchor: Decision = { kind: "accept", anchor: true };
const bystander: Decision = { kind: "accept", anchor: false };

/** What holds whatever the event is about; the refusal, if there is one. Pure as well. */
export type FirstRules = (event: NostrEvent, context: PolicyContext, source: EventSource) => Refusal | undefined;

export function createFirstRules(options: Pick<PolicyOptions, "blockedAuthors" | "endOf">): FirstRules {
  return (event, context, source) => refuseAlways(event, context, source, options);
}

/** In this order: the first rules, what the operator's module has against the event, the rules of its kind. */
export function createPolicy(options: PolicyOptions): Policy {
  const firstRules = createFirstRules(options);
  return (event, context, source) =>
    firstRules(event, context, source) ??
    context.objection ??
    (options.profile === "open"
      ? { kind: "accept", anchor: !isBystander(event.kind) }
      : byKind(event, context, options));
}

function refuseAlways(
  event: NostrEvent,
  { facts, now, authenticated }: PolicyContext,
  source: EventSource,
  { blockedAuthors, endOf = expirationOf }: Pick<PolicyOptions, "blockedAuthors" | "endOf">,
): Refusal | undefined {
  if (blockedAuthors.has(event.pubkey)) return reject("blocked", "the author is not welcome here");
  if (isProtected(event) && !(source === "client" && authenticated.has(event.pubkey)))
    return reject("auth-required", "the event is protected, only its author may publish it");
  if (embedsProtected(event)) return reject("blocked", "the event embeds a protected one");
  const end = endOf(event);
  if (end !== undefined && end <= now && classOfKind(event.kind) !== "ephemeral") return reject("invalid", "expired");
  if (facts.deletionOf(event)) return reject("blocked", "deleted by its author");
  return undefined;
}

/** Always accepted, and no reason to accept what refers to it. */
function isBystander(kind: number): boolean {
  return kind === kinds.deletion || kind === kinds.graspList;
}

function byKind(event: NostrEvent, { facts }: PolicyContext, options: PolicyOptions): Decision {
  if (isBystander(event.kind)) return bystander;
  if (event.kind === kinds.announcement) return decideAnnouncement(event, facts, options);
  if (event.kind === kinds.state) return decideState(event, facts, options);
  if (isPullRequestKind(event.kind) && commitOf(event) === undefined)
    return reject("invalid", "a pull request names its commit in a c tag");
  return decideRelation(event, facts);
}

function decideAnnouncement(event: NostrEvent, facts: Facts, options: PolicyOptions): Decision {
  const read = readAnnouncement(event);
  if (read.kind === "invalid") return reject("invalid", read.reason);
  const { announcement } = read;
  const applies = (rule: RepositoryRule): boolean => rule(announcement);
  if (options.blockedRepositories.some(applies)) return reject("blocked", "the repository is not welcome here");
  if (listsService(announcement, options.service())) {
    if (options.repositories.length === 0 || options.repositories.some(applies)) return anchor;
    return reject("blocked", "the repository is not on this relay's list");
  }
  const others = facts.announcementsOf(announcement.identifier);
  if (isMaintainer(event.pubkey, others, options.authority)) return anchor;
  return reject("blocked", refusals.notListed);
}

function decideState(event: NostrEvent, facts: Facts, options: PolicyOptions): Decision {
  const read = readState(event);
  if (read.kind === "invalid") return reject("invalid", read.reason);
  const announcements = facts.announcementsOf(read.state.identifier);
  if (announcements.length === 0) return reject("invalid", refusals.notAnnounced);
  if (isMaintainer(event.pubkey, announcements, options.authority)) return anchor;
  return reject("invalid", refusals.notMaintainer);
}

/** Whether the key is in the maintainer set of one of the owners. */
function isMaintainer(pubkey: string, announcements: readonly Announcement[], mode: AuthorityMode): boolean {
  const byAuthor = new Map(announcements.map((announcement) => [announcement.pubkey, announcement]));
  return announcements.some((owner) => maintainerSet(owner.pubkey, byAuthor, mode).members.has(pubkey));
}

/** Whether the event names a repository that is announced here, or what belongs to one, or such an event names it. */
export function isRelated(event: NostrEvent, facts: Facts): boolean {
  const { ids, addresses } = readReferences(event);
  return (
    addresses.some((address) => facts.isAnnounced(address)) ||
    ids.some((id) => facts.isAnchor(id)) ||
    facts.isReferredTo(event)
  );
}

function decideRelation(event: NostrEvent, facts: Facts): Decision {
  if (isRelated(event, facts)) return anchor;
  return { ...reject("blocked", "not related to a repository hosted here"), unrelated: true };
}

function reject(prefix: RefusalPrefix, text: string): Refusal {
  return { kind: "reject", prefix, text };
}
