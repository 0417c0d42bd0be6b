/** Which of the protocol's routes a path means. */
export type IngestRoute =
  | "envelope"
  | "store"
  | "security"
  | "minidump"
  | "cron"
  | "attachments"
  | "nel"
  | "unreal"
  | "otlp"
  | "airbrake"
  | "user_feedback"
  | "error_page";

export interface IngestPath {
  readonly route: IngestRoute;
  /** The project segment as it stands in the path, not checked; undefined where the route has none. */
  readonly project: string | undefined;
  /** What precedes the route: the path prefix of the DSN, without trailing slash; empty at the root. */
  readonly prefix: string;
  /** The path without prefix, always with a trailing slash. */
  readonly canonical: string;
  /** Key in the path, where the route allows one. */
  readonly key: string | undefined;
  /** The segment that is the monitor's slug, the event's id, the OTLP signal or the project's slug; percent-encoded. */
  readonly argument: string | undefined;
}

/** Segments of a route; a name that begins with a colon takes whatever stands there. Tried in this order. */
const shapes: readonly { readonly route: IngestRoute; readonly segments: readonly string[] }[] = [
  { route: "envelope", segments: ["api", ":project", "envelope"] },
  { route: "store", segments: ["api", ":project", "store"] },
  { route: "store", segments: ["api", "store"] },
  { route: "security", segments: ["api", ":project", "security"] },
  { route: "security", segments: ["api", ":project", "csp-report"] },
  { route: "minidump", segments: ["api", ":project", "minidump"] },
  { route: "cron", segments: ["api", ":project", "cron", ":argument", ":key"] },
  { route: "cron", segments: ["api", ":project", "cron", ":argument"] },
  { route: "attachments", segments: ["api", ":project", "events", ":argument", "attachments"] },
  { route: "nel", segments: ["api", ":project", "nel"] },
  { route: "unreal", segments: ["api", ":project", "unreal", ":key"] },
  { route: "otlp", segments: ["api", ":project", "integration", "otlp", "v1", ":argument"] },
  { route: "airbrake", segments: ["api", "v3", "projects", ":project", "notices"] },
  { route: "user_feedback", segments: ["api", "0", "projects", ":organization", ":argument", "user-feedback"] },
  { route: "error_page", segments: ["api", "embed", "error-page"] },
];

const decimalPattern = /^[0-9]+$/;

/**
 * Finds the ingest route at the end of a URL path (without query), behind any prefix, with or without trailing slash.
 * Null when the path is none of the protocol's. Where two readings are possible, the one whose project is a number
 * wins. The project is not judged here: `parseProjectId` does that.
 */
export function parseIngestPath(path: string): IngestPath | null {
  const segments = path.split("/");
  if (segments.at(-1) === "") segments.pop();
  let fallback: IngestPath | null = null;
  for (const shape of shapes) {
    const match = matchAtEnd(segments, shape.route, shape.segments);
    if (!match) continue;
    if (match.project === undefined || decimalPattern.test(match.project)) return match;
    fallback ??= match;
  }
  return fallback;
}

function matchAtEnd(path: readonly string[], route: IngestRoute, shape: readonly string[]): IngestPath | null {
  const start = path.length - shape.length;
  // The first segment is the empty text before the leading slash.
  if (start < 1) return null;
  const taken: Record<string, string> = {};
  for (const [index, expected] of shape.entries()) {
    const segment = path[start + index] ?? "";
    if (expected.startsWith(":") && segment !== "") taken[expected] = segment;
    else if (segment !== expected) return null;
  }
  return {
    route,
    project: taken[":project"],
    prefix: path.slice(0, start).join("/"),
    canonical: `/${path.slice(start).join("/")}/`,
    key: taken[":key"],
    argument: taken[":argument"],
  };
}
