import type { Catalogue } from "./catalogue.js";

/**
 * A Mermaid graph: one subgraph for each context with its events and subscribers, solid arrows from the publishing
 * context to its events, dotted ones from subscribers to what they subscribe to.
 */
export function toMermaid({ events }: Catalogue): string {
  const contexts = new Map<string, { readonly events: Set<string>; readonly subscribers: Set<string> }>();
  const contextOf = (name: string) => {
    let context = contexts.get(name);
    if (!context) {
      context = { events: new Set(), subscribers: new Set() };
      contexts.set(name, context);
    }
    return context;
  };
  const edges: string[] = [];
  for (const event of events) {
    contextOf(event.context).events.add(event.type);
    edges.push(`  ${publisherId(event.context)} -- publish --> ${eventId(event.type)}`);
    for (const { context, subscriber, condition } of event.subscribers) {
      contextOf(context).subscribers.add(subscriber);
      const label = condition === null ? "subscribe" : "subscribe if";
      edges.push(`  ${subscriberId(subscriber)} -. ${label} .-> ${eventId(event.type)}`);
    }
  }
  const lines = ["graph LR"];
  for (const [name, { events: own, subscribers }] of [...contexts].toSorted(byName)) {
    lines.push(`  subgraph ${contextId(name)}["${name}"]`);
    if (own.size > 0) lines.push(`    ${publisherId(name)}[["${name}"]]`);
    for (const type of [...own].sort()) lines.push(`    ${eventId(type)}(["${type}"])`);
    for (const subscriber of [...subscribers].sort()) lines.push(`    ${subscriberId(subscriber)}["${subscriber}"]`);
    lines.push("  end");
  }
  return `${[...lines, ...edges].join("\n")}\n`;
}

function byName([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1;
}

// Names hold letters, digits, `_` and `.`; an id of Mermaid may not hold a dot, nor be a word such as `end`.
function id(kind: string, name: string): string {
  return `${kind}_${name.replaceAll(".", "__")}`;
}

const contextId = (name: string): string => id("context", name);
const publisherId = (name: string): string => id("publisher", name);
const eventId = (type: string): string => id("event", type);
const subscriberId = (name: string): string => id("subscriber", name);
