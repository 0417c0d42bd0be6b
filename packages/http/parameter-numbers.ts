import type { ProblemItem } from "./problems.js";

type Parameters = Readonly<Record<string, unknown>>;
/** Looks at the parameters as they came and gives what is to be said of them once they are converted. */
export type NumberCheck = (given: Parameters) => (converted: Parameters) => readonly ProblemItem[];

interface NumberParameter {
  readonly name: string;
  readonly form: RegExp;
  readonly type: "integer" | "number";
}

/**
 * For parameters that are converted to numbers. A validator takes every text that JavaScript does (`0x10`, `1e2`, ` 5`, and `5.0`
 * for a whole number): who wrote that by mistake would be answered something else than was asked. `undefined` when the
 * schema has no numbers.
 */
export function checkOfNumbers(schema: unknown): NumberCheck | undefined {
  const numbers = [...numbersIn(schema)];
  if (numbers.length === 0) return undefined;
  return (given) => {
    // Validators write into what they are given.
    const texts = numbers.map(({ name }) => [...listOf(given[name])]);
    return (converted) => numbers.flatMap((number, index) => faultOf(number, texts[index] ?? [], converted) ?? []);
  };
}

function faultOf(
  { name, form, type }: NumberParameter,
  texts: readonly unknown[],
  converted: Parameters,
): ProblemItem | undefined {
  const pointer = `/${name}`;
  const values = listOf(converted[name]);
  if (texts.some((text, index) => typeof text === "string" && typeof values[index] === "number" && !form.test(text)))
    return { pointer, code: "wrong_type", message: `must be ${type}` };
  // Digits that make a number beyond all numbers: the validator compares it with nothing.
  if (values.some((value) => typeof value === "number" && !Number.isFinite(value)))
    return { pointer, code: "invalid", message: "is no number that can be told" };
  return undefined;
}

function* numbersIn(schema: unknown): Generator<NumberParameter> {
  if (!isRecord(schema) || !isRecord(schema["properties"])) return;
  for (const [name, property] of Object.entries(schema["properties"])) {
    const types = new Set(typesIn(property));
    if (types.has("number")) yield { name, form: /^-?\d+(?:\.\d+)?$/, type: "number" };
    else if (types.has("integer")) yield { name, form: /^-?\d+$/, type: "integer" };
  }
}

/** What a parameter, or each of several of its name, may be. */
function* typesIn(schema: unknown): Generator<unknown> {
  if (!isRecord(schema)) return;
  yield* listOf(schema["type"]);
  yield* typesIn(schema["items"]);
  for (const keyword of ["anyOf", "oneOf", "allOf"]) for (const one of listOf(schema[keyword])) yield* typesIn(one);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
