/** A definition as its file would be written: plain words and numbers, in the file's own names. */
export function definitionAsYaml(definition: Readonly<Record<string, unknown>>): string {
  const { id, description, feature_category, urgency, threshold_s, timeout_s, inactivity_timeout_s, slo } = definition;
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
  ].join("\n");
}

function line(name: string, value: unknown): string[] {
  if (value === undefined || value === null || value === "") return [];
  return [
    `${name}: ${typeof value === "string" && /[:#"'\n]|^[\s-]/.test(value) ? JSON.stringify(value) : String(value)}`,
  ];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
