/** An event with what became of it, as the API explains it. */
export interface EventNode {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly rootCaller: string;
  readonly publishedAt: string | null;
  readonly subscriptions: readonly Subscription[];
  readonly children: readonly EventNode[];
}

export interface Subscription {
  readonly name: string;
  readonly outcome: string;
  readonly attempts: readonly Attempt[];
  readonly queued: boolean;
  readonly deadLetter: boolean;
}

export interface Attempt {
  readonly attempt?: number;
  readonly settlement?: string;
  readonly started_at?: string;
  readonly duration_s?: number;
  readonly error?: { readonly class: string; readonly message: string } | null;
}

/** The API says of the event and of each one that came of it the same. */
export function readEventNode(explanation: object): EventNode {
  const event = recordOf(explanation, "event");
  return {
    id: textOf(event, "id"),
    type: textOf(event, "type"),
    subject: textOf(event, "subject"),
    correlationId: textOf(event, "correlation_id"),
    causationId: textOf(event, "causation_id"),
    rootCaller: textOf(event, "root_caller"),
    publishedAt: textOf(event, "published_at") || null,
    subscriptions: listOf(explanation, "subscriptions").map((subscription) => ({
      name: textOf(subscription, "subscription"),
      outcome: textOf(subscription, "outcome") || textOf(subscription, "decision"),
      attempts: listOf(subscription, "attempts"),
      queued: isThere(subscription, "queued"),
      deadLetter: isThere(subscription, "dead_letter"),
    })),
    children: listOf(explanation, "children").map(readEventNode),
  };
}

function recordOf(value: object, name: string): object {
  const found: unknown = Reflect.get(value, name);
  return typeof found === "object" && found !== null ? found : {};
}

function listOf(value: object, name: string): readonly object[] {
  const found: unknown = Reflect.get(value, name);
  return Array.isArray(found)
    ? found.filter((entry): entry is object => typeof entry === "object" && entry !== null)
    : [];
}

function textOf(value: object, name: string): string {
  const found: unknown = Reflect.get(value, name);
  return typeof found === "string" ? found : "";
}

function isThere(value: object, name: string): boolean {
  const found: unknown = Reflect.get(value, name);
  return found !== null && found !== undefined;
}
