import type { Catalogue, PublishSite } from "./catalogue.js";

/** Something that no single file shows. */
export interface GraphFinding {
  /** By which it is accepted: `unheard ci.pipeline_created`, `cycle ci > merge_requests > ci`. */
  readonly name: string;
  /** What is wrong, and what to do about it. */
  readonly message: string;
}

export interface GraphCheck {
  readonly findings: readonly GraphFinding[];
  /** Findings that somebody has accepted, with the reason. */
  readonly accepted: readonly (GraphFinding & { readonly reason: string })[];
  /** Accepted names that nothing is found for any more. */
  readonly stale: readonly string[];
}

export interface GraphSource {
  /** With publish sites, or every event looks as if nobody published it. */
  readonly catalogue: Catalogue;
  /** By event type; see `findDefinitionSites`. */
  readonly definitionSites?: ReadonlyMap<string, readonly PublishSite[]>;
}

/** Reasons by the name of a finding. */
export type AcceptedFindings = ReadonlyMap<string, string>;

const acceptFile = "event-store.accept.json";

/** Reads `graph` of `event-store.accept.json`: reasons by name. @throws {TypeError} saying what it must hold. */
export function parseAccepted(json: string): AcceptedFindings {
  const value: unknown = JSON.parse(json);
  const graph: unknown = typeof value === "object" && value !== null ? (Reflect.get(value, "graph") ?? {}) : undefined;
  if (typeof graph !== "object" || graph === null || Array.isArray(graph))
    throw new TypeError(`${acceptFile} must hold \`graph\`, an object with a reason for each name`);
  return new Map(
    Object.entries(graph).map(([name, reason]) => {
      if (typeof reason !== "string" || reason.trim() === "")
        throw new TypeError(`${acceptFile} must give a reason for \`${name}\``);
      return [name, reason];
    }),
  );
}

/**
 * Events that nobody hears, subscriptions to events that nobody publishes, contexts that wait for each other in a
 * circle, and types that are defined twice. Sorted by name.
 */
export function checkGraph(source: GraphSource, accepted: AcceptedFindings = new Map()): GraphCheck {
  const all = [...unheard(source), ...unpublished(source), ...cycles(source), ...duplicates(source)].sort(
    (left, right) => (left.name < right.name ? -1 : 1),
  );
  const names = new Set(all.map(({ name }) => name));
  return {
    findings: all.filter(({ name }) => !accepted.has(name)),
    accepted: all.flatMap((finding) => {
      const reason = accepted.get(finding.name);
      return reason === undefined ? [] : [{ ...finding, reason }];
    }),
    stale: [...accepted.keys()].filter((name) => !names.has(name)).sort(),
  };
}

function* unheard({ catalogue }: GraphSource): Generator<GraphFinding> {
  for (const { type, subscribers } of catalogue.events) {
    if (subscribers.length > 0) continue;
    yield { name: `unheard ${type}`, message: `nobody subscribes to ${type}: subscribe, or delete the event` };
  }
}

function* unpublished({ catalogue }: GraphSource): Generator<GraphFinding> {
  for (const { type, subscribers, publishSites } of catalogue.events) {
    if (publishSites.length > 0 || subscribers.length === 0) continue;
    const names = subscribers.map(({ subscriber }) => subscriber).join(", ");
    yield {
      name: `unpublished ${type}`,
      message: `nobody publishes ${type}, to which ${names} subscribed: publish it, or delete the subscriptions`,
    };
  }
}

function* duplicates({ definitionSites }: GraphSource): Generator<GraphFinding> {
  for (const [type, sites] of definitionSites ?? []) {
    if (sites.length < 2) continue;
    const places = sites.map(({ file, line }) => `${file}:${line}`).join(" and ");
    yield { name: `duplicate ${type}`, message: `${type} is defined at ${places}: keep one definition and import it` };
  }
}

/** The first event that leads from one context to another. */
type Edges = ReadonlyMap<string, ReadonlyMap<string, string>>;

function* cycles({ catalogue }: GraphSource): Generator<GraphFinding> {
  const edges = edgesOf(catalogue);
  const told = new Set<string>();
  for (const start of [...edges.keys()].sort()) {
    const circle = shortestCircle(start, edges);
    if (!circle) continue;
    const own = [...circle].sort().join(" ");
    if (told.has(own)) continue;
    told.add(own);
    const contexts = [...circle, start];
    const steps = circle.map(
      (from, index) => `${from} tells ${contexts[index + 1]} by ${edges.get(from)?.get(contexts[index + 1] ?? "")}`,
    );
    yield {
      name: `cycle ${contexts.join(" > ")}`,
      message: `${steps.join(", ")}: let one of them do without the other's event`,
    };
  }
}

function edgesOf({ events }: Catalogue): Edges {
  const edges = new Map<string, Map<string, string>>();
  for (const { type, context, subscribers } of events) {
    for (const subscriber of subscribers) {
      if (subscriber.context === context) continue;
      const own = edges.get(context) ?? new Map<string, string>();
      edges.set(context, own);
      if (!own.has(subscriber.context)) own.set(subscriber.context, type);
    }
  }
  return edges;
}

/** Contexts from `start` to the last one that leads back to it; of several circles a shortest one. */
function shortestCircle(start: string, edges: Edges): readonly string[] | undefined {
  const paths: string[][] = [[start]];
  const seen = new Set([start]);
  for (const path of paths) {
    for (const next of [...(edges.get(path.at(-1) ?? "")?.keys() ?? [])].sort()) {
      if (next === start) return path;
      if (seen.has(next)) continue;
      seen.add(next);
      paths.push([...path, next]);
    }
  }
  return undefined;
}
