const states = [
  ...["unresolved", "resolved", "ignored", "new", "ongoing", "regressed", "escalating"],
  ...["assigned", "unassigned", "linked"],
];

/** Keys of a query with values that they often have. */
const keys: readonly (readonly [key: string, values: readonly string[]])[] = [
  ["is", states],
  ["level", ["fatal", "error", "warning", "info", "debug"]],
  ["release", []],
  ["firstRelease", []],
  ["environment", ["production", "staging", "demo"]],
  ["assigned", ["me", "none"]],
  ["age", ["-1h", "-24h", "-7d"]],
  ["lastSeen", ["-1h", "-24h", "-7d"]],
  ["timesSeen", [">10", ">100", ">1000"]],
  ["users", [">1", ">10", ">100"]],
  ["user.email", []],
  ["user.id", []],
  ["platform", ["node", "javascript", "python", "ruby", "go", "java"]],
  ["transaction", []],
  ["server_name", []],
  ["error.type", []],
  ["stack.filename", []],
  ["stack.function", []],
  ["http.url", []],
  ["correlation_id", []],
  ["sdk.name", []],
  ["has", ["assigned", "release", "user.email", "correlation_id"]],
];

/** What the last term of a query may go on with; each is the whole text. */
export function completions(text: string, releases: readonly string[]): string[] {
  const start = text.lastIndexOf(" ") + 1;
  const before = text.slice(0, start);
  const term = text.slice(start);
  const bang = term.startsWith("!") ? "!" : "";
  const typed = term.slice(bang.length);
  const colon = typed.indexOf(":");
  if (colon < 0) {
    if (typed === "" && text !== "") return [];
    return keys
      .filter(([key]) => key.toLowerCase().startsWith(typed.toLowerCase()))
      .map(([key]) => `${before}${bang}${key}:`);
  }
  const key = typed.slice(0, colon);
  const begun = typed.slice(colon + 1).toLowerCase();
  const usual = keys.find(([name]) => name === key)?.[1] ?? [];
  const values = key === "release" || key === "firstRelease" ? [...releases, ...usual] : usual;
  return values
    .filter((value) => value.toLowerCase().startsWith(begun) && value.toLowerCase() !== begun)
    .map((value) => `${before}${bang}${key}:${value}`);
}
