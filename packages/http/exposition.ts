/** Text that a scraper reads. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

export interface Exemplar {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly atMs: number;
}

export interface Sample {
  /** A number is the bound of a bucket. */
  readonly labels: object;
  readonly value: number;
  /** Where it differs from the family's name. */
  readonly metricName?: string;
  /** prom-client writes null where there is none. */
  readonly exemplar?: Exemplar | null | undefined;
}

/** All samples of one metric. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: unknown;
  readonly values: readonly Sample[];
}

const openMetricsType = "application/openmetrics-text";

/** The text of all families, in the order given. */
export function render(families: readonly Family[], openMetrics: boolean): Exposition {
  const lines: string[] = [];
  for (const family of families) {
    const isCounter = family.type === "counter";
    // OpenMetrics names the family of a counter without the suffix that its samples carry.
    const name = openMetrics && isCounter ? family.name.replace(/_total$/, "") : family.name;
    const help = family.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
    lines.push(
      `# HELP ${name} ${openMetrics ? help.replaceAll('"', '\\"') : help}`,
      `# TYPE ${name} ${String(family.type)}`,
    );
    for (const sample of family.values) {
      const sampleName = openMetrics && isCounter ? `${name}_total` : (sample.metricName ?? family.name);
      const exemplar = openMetrics ? exemplarText(sample.exemplar) : "";
      lines.push(`${sampleName}${labelText(sample.labels, openMetrics)} ${numberText(sample.value)}${exemplar}`);
    }
  }
  if (openMetrics) lines.push("# EOF");
  return {
    contentType: openMetrics
      ? `${openMetricsType}; version=1.0.0; charset=utf-8`
      : "text/plain; version=0.0.4; charset=utf-8",
    body: `${lines.join("\n")}\n`,
  };
}

function labelText(labels: object, openMetrics: boolean): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    // Bucket bounds are numbers there, and OpenMetrics writes whole ones with a fraction.
    const text = typeof value === "number" ? boundText(value, openMetrics) : String(value);
    return `${name}="${text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"')}"`;
  });
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function boundText(value: number, openMetrics: boolean): string {
  return openMetrics && Number.isInteger(value) ? `${value}.0` : numberText(value);
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}

/** OpenMetrics allows 128 characters for all names and values of an exemplar together. */
const maxExemplarLength = 128;

function exemplarText(exemplar: Exemplar | null | undefined): string {
  if (exemplar === undefined || exemplar === null) return "";
  let length = 0;
  for (const [name, value] of Object.entries(exemplar.labels)) length += name.length + value.length;
  if (length > maxExemplarLength) return "";
  return ` # ${labelText(exemplar.labels, true) || "{}"} ${numberText(exemplar.value)} ${exemplar.atMs / 1000}`;
}

/** Whether an `Accept` header likes OpenMetrics 1.0 (or any version) at least as much as plain text. */
export function wantsOpenMetrics(accept: string | undefined): boolean {
  let openMetrics = 0;
  let text = 0;
  for (const range of (accept ?? "").split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const weight = weightOf(parameters);
    if (type === openMetricsType && isOffered(parameters)) openMetrics = Math.max(openMetrics, weight);
    else if (type === "text/plain" || type === "text/*" || type === "*/*") text = Math.max(text, weight);
  }
  return openMetrics > 0 && openMetrics >= text;
}

function weightOf(parameters: readonly string[]): number {
  const weight = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1");
  return Number.isFinite(weight) ? weight : 0;
}

function isOffered(parameters: readonly string[]): boolean {
  const version = parameters.find((parameter) => parameter.startsWith("version="))?.slice("version=".length);
  return version === undefined || version === "1.0.0" || version === "0.0.1";
}
