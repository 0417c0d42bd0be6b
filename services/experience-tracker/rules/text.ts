/** A number as queries and YAML have it, without the dust of binary fractions. */
export function plainNumber(value: number): string {
  return String(rounded(value));
}

export function rounded(value: number): number {
  return Number(value.toPrecision(12));
}

// What readers of YAML refuse, in quotes and without: controls, halves of surrogate pairs, and what is no character. And what
// nobody sees or turns the text around it: what is printed must be what is read, on a terminal too.
const unprintable =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\u{e0000}-\u{e007f}]/gu;

/** A text from a definition on one line, at most so many characters long. */
export function oneLine(text: string, maxCharacters = 1_000): string {
  const characters = [...text.replaceAll(unprintable, " ").replaceAll(/ {2,}/g, " ").trim()];
  return characters.length <= maxCharacters
    ? characters.join("")
    : `${characters
        .slice(0, maxCharacters - 1)
        .join("")
        .trimEnd()}…`;
}

/** A text within an annotation, where Prometheus would take two braces for the beginning of a template. */
export function literally(text: string): string {
  return text.replaceAll("{{", '{{ "{{" }}');
}

/** What a definition says of itself, as the first sentence of an annotation. */
export function sentence(description: string): string {
  return literally(oneLine(description).replace(/[^.!?…]$/u, "$&."));
}

const units = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
] as const;

/** Whole seconds as Prometheus writes durations: `90m`, `1d`. */
export function duration(seconds: number): string {
  const [unit, size] = units.find(([, unitSize]) => seconds % unitSize === 0) ?? ["s", 1];
  return `${seconds / size}${unit}`;
}

/** `1h`; `1h and 5m`. */
export function joined(parts: readonly string[], word: "and" | "or"): string {
  return parts.join(` ${word} `);
}
