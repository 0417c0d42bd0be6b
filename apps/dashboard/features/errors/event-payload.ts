/** The parts of a stored event that the pages show. Everything may be missing: it is what somebody sent. */
export interface EventPayload {
  readonly exception?: { readonly values?: readonly ExceptionValue[] };
  readonly threads?: { readonly values?: readonly ThreadValue[] };
  readonly logentry?: { readonly formatted?: string; readonly message?: string };
  readonly breadcrumbs?: { readonly values?: readonly Breadcrumb[] } | readonly Breadcrumb[];
  readonly tags?: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  readonly contexts?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly user?: Readonly<Record<string, unknown>>;
  readonly request?: EventRequest;
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly modules?: Readonly<Record<string, string>>;
  readonly sdk?: { readonly name?: string; readonly version?: string };
  readonly release?: string;
  readonly environment?: string;
  readonly platform?: string;
  readonly server_name?: string;
  readonly transaction?: string;
  /** What could not be kept as it was sent. */
  readonly processing_errors?: readonly ProcessingError[];
  /** What was taken out before the event was kept. */
  readonly scrubbed?: readonly Readonly<Record<string, unknown>>[];
}

export interface ProcessingError {
  readonly type?: string;
  readonly name?: string;
  readonly value?: unknown;
}

export interface ExceptionValue {
  readonly type?: string;
  readonly value?: string;
  readonly mechanism?: { readonly type?: string; readonly handled?: boolean };
  readonly stacktrace?: Stacktrace;
}

export interface ThreadValue {
  readonly id?: string | number;
  readonly name?: string;
  readonly crashed?: boolean;
  readonly current?: boolean;
  readonly stacktrace?: Stacktrace;
}

interface Stacktrace {
  readonly frames?: readonly Frame[];
}

export interface Frame {
  readonly function?: string;
  readonly module?: string;
  readonly filename?: string;
  readonly abs_path?: string;
  readonly lineno?: number;
  readonly colno?: number;
  readonly in_app?: boolean;
  readonly context_line?: string;
  readonly pre_context?: readonly string[];
  readonly post_context?: readonly string[];
  readonly vars?: Readonly<Record<string, unknown>>;
}

export interface Breadcrumb {
  readonly timestamp?: string;
  readonly type?: string;
  readonly category?: string;
  readonly level?: string;
  readonly message?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface EventRequest {
  readonly url?: string;
  readonly method?: string;
  readonly query_string?: unknown;
  readonly headers?: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  readonly data?: unknown;
}

export function readPayload(text: string): EventPayload {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Pairs of either form in which SDKs send them. */
export function pairsOf(
  value: Readonly<Record<string, unknown>> | readonly (readonly [string, unknown])[] | undefined,
): readonly (readonly [string, string])[] {
  if (value === undefined) return [];
  const pairs: readonly (readonly [string, unknown])[] = isPairs(value) ? value : Object.entries(value);
  return pairs.map(([name, content]) => [name, asText(content)]);
}

function isPairs(value: object): value is readonly (readonly [string, unknown])[] {
  return Array.isArray(value);
}

export function breadcrumbsOf({ breadcrumbs }: EventPayload): readonly Breadcrumb[] {
  if (breadcrumbs === undefined) return [];
  return isList(breadcrumbs) ? breadcrumbs : (breadcrumbs.values ?? []);
}

function isList(value: { readonly values?: unknown } | readonly Breadcrumb[]): value is readonly Breadcrumb[] {
  return Array.isArray(value);
}

export function asText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
}
