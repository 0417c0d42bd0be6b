/** A part of what was compared when an event was grouped. */
export interface Component {
  readonly name: string;
  readonly contributes: boolean;
  /** What was compared. */
  readonly token?: string;
  /** What was sent, where it differs. */
  readonly original?: string;
  readonly hint?: string;
  readonly parts: readonly Component[];
}

/** The tree of an explanation as the API sends it. */
export function readComponent(explanation: Readonly<Record<string, unknown>>): Component | undefined {
  return toComponent(explanation["component"]);
}

function toComponent(value: unknown): Component | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const text = (name: string): string | undefined => {
    const found: unknown = Reflect.get(value, name);
    return typeof found === "string" ? found : undefined;
  };
  const [name, token, original, hint] = [text("name"), text("token"), text("original"), text("hint")];
  const parts: unknown = Reflect.get(value, "parts");
  return {
    name: name ?? "part",
    contributes: Reflect.get(value, "contributes") === true,
    ...(token === undefined ? {} : { token }),
    ...(original === undefined ? {} : { original }),
    ...(hint === undefined ? {} : { hint }),
    parts: Array.isArray(parts) ? parts.flatMap((part: unknown) => toComponent(part) ?? []) : [],
  };
}
