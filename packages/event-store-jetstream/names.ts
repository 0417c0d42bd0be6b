import { createHash } from "node:crypto";
import { EventStoreError } from "@signalbox/event-store";

/** Deliveries without a key; their subject's partition, and that of their consumer. */
export const freePartition = "free";

/** What the stream, its subjects and its consumers are called. Two sets of names on one server share nothing. */
export interface Names {
  readonly stream: string;
  /** `<root>.deliver.<subscriber>.<partition>.<event type>` holds deliveries, `<root>.wake.…` announces them. */
  readonly root: string;
}

export const defaultNames: Names = Object.freeze({ stream: "SIGNALBOX_EVENTS", root: "signalbox" });

const subscriberName = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,2}$/;

/**
 * A dotted name as one token of a subject. Names hold no `-`, so two names never become one token.
 * @throws {EventStoreError} `EVT_CONFIG_INVALID` for anything else than a dotted name: nothing can be smuggled into a subject.
 */
export function tokenOf(name: string): string {
  if (!subscriberName.test(name) || name.length > 120)
    throw new EventStoreError("EVT_CONFIG_INVALID", { message: `${JSON.stringify(name)} is no name of a queue` });
  return name.replaceAll(".", "-");
}

export function nameOf(token: string): string {
  return token.replaceAll("-", ".");
}

/** Deliveries of one key always go to the same partition, in every process. */
export function partitionOf(key: string | null, partitions: number): string {
  if (key === null) return freePartition;
  return String(createHash("sha256").update(key).digest().readUInt32BE() % partitions);
}

/** The subscription's part that tells it from others of its subscriber: its event type, as one token. */
function subscriptionToken(subscriber: string, subscription: string): string {
  return tokenOf(subscription.startsWith(`${subscriber}/`) ? subscription.slice(subscriber.length + 1) : subscription);
}

export function streamSubjects({ root }: Names): string {
  return `${root}.deliver.>`;
}

export function deliverySubject(names: Names, subscriber: string, partition: string, subscription: string): string {
  return `${names.root}.deliver.${tokenOf(subscriber)}.${partition}.${subscriptionToken(subscriber, subscription)}`;
}

/** Everything of a subscriber, or of one of its partitions. */
export function subjectsOf({ root }: Names, subscriber: string, partition = "*"): string {
  return `${root}.deliver.${tokenOf(subscriber)}.${partition}.*`;
}

export function subscriptionSubjects({ root }: Names, subscriber: string, subscription: string): string {
  return `${root}.deliver.${tokenOf(subscriber)}.*.${subscriptionToken(subscriber, subscription)}`;
}

export interface SubjectParts {
  readonly subscriber: string;
  readonly partition: string;
  readonly subscription: string;
}

export function readSubject({ root }: Names, subject: string): SubjectParts | undefined {
  const [, subscriberToken, partition, eventType = "unknown"] = subject.slice(root.length + 1).split(".");
  if (subscriberToken === undefined || partition === undefined) return undefined;
  const subscriber = nameOf(subscriberToken);
  return { subscriber, partition, subscription: `${subscriber}/${nameOf(eventType)}` };
}

export function wakeSubject({ root }: Names, subscriber: string, partition: string): string {
  return `${root}.wake.${tokenOf(subscriber)}.${partition}`;
}

/** Name of the durable consumer of one partition. */
export function durableName(subscriber: string, partition: string): string {
  return `${tokenOf(subscriber)}--${partition}`;
}
