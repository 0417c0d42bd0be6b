/** A definition as its file would be written: plain words and numbers, in the file's own names. */
export function definitionAsYaml(definition: Readonly<Record<string, unknown>>): string {
  const { id, description, feature_category, urgency, threshold_s, timeout_s, inactivity_timeout_s, slo } = definition;
  const { types, checkpoint_categories, path, alerts } = definition;
  return [
    `# ${String(id)}.yml`,
    ...line("description", description),
    ...line("feature_category", feature_category),
    ...line("urgency", urgency),
    ...(urgency === "custom" ? line("apdex_threshold_s", threshold_s) : []),
    ...line("timeout_s", timeout_s),
    ...line("inactivity_timeout_s", inactivity_timeout_s),
    ...(isRecord(slo)
      ? ["slo:", ...line("  apdex_pct", slo["apdex_pct"]), ...line("  error_pct", slo["error_pct"])]
      : []),
    ...list("types", types),
    ...list("checkpoint_categories", checkpoint_categories),
    ...(Array.isArray(path) && path.length > 0 ? ["path:", ...path.map((step) => `  - ${flow(step)}`)] : []),
    ...alertLines(alerts),
  ].join("\n");
}

/** What holds where a file says nothing of alerts. */
const usualAlerts: Readonly<Record<string, unknown>> = { enabled: true, min_events: 10, min_failures: 3 };

function alertLines(alerts: unknown): string[] {
  if (!isRecord(alerts)) return [];
  const lines = Object.entries(alerts)
    .filter(([name, value]) => usualAlerts[name] !== value)
    .flatMap(([name, value]) => line(`  ${name}`, value));
  return lines.length === 0 ? [] : ["alerts:", ...lines];
}

function line(name: string, value: unknown): string[] {
  if (value === undefined || value === null || value === "") return [];
  return [`${name}: ${scalar(value)}`];
}

function list(name: string, values: unknown): string[] {
  return Array.isArray(values) && values.length > 0 ? [`${name}: [${values.map(scalar).join(", ")}]`] : [];
}

/** The steps of a path are short; those that may be left out say so, the others need not. */
function flow(step: unknown): string {
  const entries = isRecord(step) ? Object.entries(step).filter(([, value]) => value !== false) : [];
  return `{ ${entries.map(([name, value]) => `${name}: ${scalar(value)}`).join(", ")} }`;
}

function scalar(value: unknown): string {
  return typeof value === "string" && /[:#"'\n,[\]{}]|^[\s-]/.test(value) ? JSON.stringify(value) : String(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
