/** A type of event and the modules around it, as the API's graph has them. */
export interface GraphEvent {
  readonly type: string;
  readonly context: string;
  readonly description: string;
  readonly subscribers: readonly GraphSubscriber[];
}

export interface GraphSubscriber {
  readonly subscriber: string;
  readonly context: string;
  readonly condition: string | null;
}

export interface GraphNode {
  readonly id: string;
  readonly kind: "context" | "event" | "subscriber";
  readonly label: string;
  readonly context: string;
  readonly x: number;
  readonly y: number;
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  readonly conditional: boolean;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly width: number;
  readonly height: number;
}

export const nodeWidth = 280;
export const nodeHeight = 34;
const columnGap = 340;
const rowGap = 12;
const groupGap = 34;
const headingHeight = 30;
const margin = 20;

export function readGraph(answer: unknown): readonly GraphEvent[] {
  return listOf(answer, "events").map((event) => ({
    type: textOf(event, "type"),
    context: textOf(event, "context"),
    description: textOf(event, "description"),
    subscribers: listOf(event, "subscribers").map((subscriber) => ({
      subscriber: textOf(subscriber, "subscriber"),
      context: textOf(subscriber, "context"),
      condition: textOf(subscriber, "condition") || null,
    })),
  }));
}

/**
 * Events on the left, grouped by the context that publishes them; subscribers on the right, grouped by theirs. Each group
 * has a heading. Subscribers stand in the order of the events that they listen to, so that few lines cross.
 */
export function layOut(events: readonly GraphEvent[]): Graph {
  const nodes: GraphNode[] = [];
  const edges: GraphEdge[] = [];
  const place = (kind: "event" | "subscriber", x: number, groups: ReadonlyMap<string, readonly string[]>): number => {
    let y = margin;
    for (const [context, names] of groups) {
      nodes.push({ id: `context ${kind} ${context}`, kind: "context", label: context, context, x, y });
      y += headingHeight;
      for (const name of names) {
        nodes.push({ id: `${kind} ${name}`, kind, label: withoutContext(name, context), context, x, y });
        y += nodeHeight + rowGap;
      }
      y += groupGap - rowGap;
    }
    return y;
  };
  const published = new Map<string, string[]>();
  const listening = new Map<string, string[]>();
  for (const { type, context, subscribers } of events) {
    published.set(context, [...(published.get(context) ?? []), type]);
    for (const { subscriber, context: own, condition } of subscribers) {
      const known = listening.get(own) ?? [];
      if (!known.includes(subscriber)) listening.set(own, [...known, subscriber]);
      edges.push({ from: `event ${type}`, to: `subscriber ${subscriber}`, conditional: condition !== null });
    }
  }
  const right = margin + nodeWidth + columnGap;
  const height = Math.max(place("event", margin, published), place("subscriber", right, listening));
  return { nodes, edges, width: right + nodeWidth + margin, height };
}

/** Types of events that were published while events of a type were handled. */
export type LeadsTo = ReadonlyMap<string, readonly string[]>;

/**
 * Everything that an event reaches: its subscribers, the events that they publish, their subscribers and so on; or what a
 * subscriber is reached by. The node itself is part of it.
 */
export function reachedFrom(
  events: readonly GraphEvent[],
  id: string,
  leadsTo: LeadsTo = new Map(),
): ReadonlySet<string> {
  const reached = new Set([id]);
  const [kind, name = ""] = id.split(" ");
  if (kind === "subscriber") {
    for (const { type, subscribers } of events)
      if (subscribers.some(({ subscriber }) => subscriber === name)) reached.add(`event ${type}`);
    return reached;
  }
  const subscribersOf = new Map(events.map(({ type, subscribers }) => [type, subscribers]));
  const waiting = [name];
  for (let type = waiting.pop(); type !== undefined; type = waiting.pop()) {
    for (const { subscriber } of subscribersOf.get(type) ?? []) reached.add(`subscriber ${subscriber}`);
    for (const next of leadsTo.get(type) ?? []) {
      if (reached.has(`event ${next}`)) continue;
      reached.add(`event ${next}`);
      waiting.push(next);
    }
  }
  return reached;
}

/** What the catalogue has seen published, turned around. */
export function readLeadsTo(
  types: readonly {
    readonly type: string;
    readonly publishers: readonly { readonly handling: string | null }[] | null;
  }[],
): LeadsTo {
  const leadsTo = new Map<string, string[]>();
  for (const { type, publishers } of types)
    for (const { handling } of publishers ?? []) {
      if (handling === null) continue;
      const known = leadsTo.get(handling) ?? [];
      if (!known.includes(type)) leadsTo.set(handling, [...known, type]);
    }
  return leadsTo;
}

function withoutContext(name: string, context: string): string {
  return name.startsWith(`${context}.`) ? name.slice(context.length + 1) : name;
}

function listOf(value: unknown, name: string): readonly object[] {
  const list: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  return Array.isArray(list)
    ? list.filter((entry): entry is object => typeof entry === "object" && entry !== null)
    : [];
}

function textOf(value: object, name: string): string {
  const text: unknown = Reflect.get(value, name);
  return typeof text === "string" ? text : "";
}
