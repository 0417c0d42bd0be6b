/** What an operator wants to see once the server is up. */
export interface BannerFacts {
  readonly version: string;
  readonly startedInMs: number;
  /** Public address of ingest and API; absent when no running role serves it. */
  readonly url?: string | undefined;
  readonly metricsUrl: string;
  /** Lines of the systems, as the DSN of the project `default`. */
  readonly announcements: readonly BannerLine[];
  readonly dataDirectory: string;
  /** Whether commands find it without being told. */
  readonly isUsualDirectory: boolean;
  readonly adapters: readonly Adapter[];
  readonly roles: readonly string[];
}

export interface BannerLine {
  /** At most 15 characters. */
  readonly label: string;
  readonly value: string;
}

/** What stands behind a port. */
export interface Adapter {
  /** `database`, `transport`, `analytics`, `blobs` */
  readonly port: string;
  /** `SQLite`, `PostgreSQL at db:5432` */
  readonly name: string;
  readonly embedded: boolean;
}

const labelWidth = 16;

/** At most 20 lines. */
export function bannerLines(facts: BannerFacts): string[] {
  const row = (label: string, value: string): string => `  ${label.padEnd(labelWidth)}${value}`;
  // A command that looks elsewhere makes tokens with a key that this server does not know.
  const where = facts.isUsualDirectory ? "" : ` --data-dir ${facts.dataDirectory}`;
  const optional = (label: string, value: string | undefined): string[] => (value ? [row(label, value)] : []);
  return [
    "",
    `Signalbox ${facts.version} is ready after ${(facts.startedInMs / 1000).toFixed(1)} s`,
    "",
    ...optional("Dashboard", facts.roles.includes("dashboard") ? facts.url && `${facts.url}/` : undefined),
    ...optional("Ingest and API", facts.url),
    ...facts.announcements.map(({ label, value }) => row(label, value)),
    row("Metrics, health", facts.metricsUrl),
    row("Data directory", facts.dataDirectory),
    row("Embedded", adapterNames(facts.adapters, true)),
    row("Real servers", adapterNames(facts.adapters, false)),
    row("Roles", facts.roles.join(", ")),
    "",
    row("Token to log in", `npx signalbox token create --scope admin --ttl 1d${where}`),
    row("New project", `npx signalbox project create NAME${where}`),
    "",
  ];
}

function adapterNames(adapters: readonly Adapter[], embedded: boolean): string {
  const names = adapters
    .filter((adapter) => adapter.embedded === embedded)
    .map(({ port, name }) => `${name} (${port})`);
  return names.length === 0 ? "none" : names.join(", ");
}

/** @param url of the real server, if there is one */
export function describeStore(port: string, url: string | undefined, server: string, embedded: string): Adapter {
  if (url === undefined) return { port, name: embedded, embedded: true };
  return { port, name: `${server} at ${new URL(url).host}`, embedded: false };
}
