/** What the asymmetric matchers of Vitest and of Jest have in common: `expect.any(Number)`, for example. */
export interface AsymmetricMatcher {
  asymmetricMatch(other: unknown): boolean;
}

/** Data as a test expects it: any part of it, with asymmetric matchers at any depth. */
export type Expected<T> = unknown extends T
  ? unknown
  :
      | AsymmetricMatcher
      | (T extends string | number | boolean | null | undefined
          ? T
          : T extends readonly unknown[]
            ? { readonly [Index in keyof T]: Expected<T[Index]> }
            : T extends object
              ? { readonly [Key in keyof T]?: Expected<T[Key]> }
              : T);

/**
 * True when `actual` is what is expected. Objects may have members that are not expected, at every level, unless
 * `strict`; arrays have the same length and order. A member that is expected to be `undefined` must be absent.
 */
export function matchesData(expected: unknown, actual: unknown, strict: boolean): boolean {
  if (isAsymmetric(expected)) return expected.asymmetricMatch(actual);
  if (Array.isArray(expected))
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((item, index) => matchesData(item, actual[index], strict))
    );
  if (!isObject(expected)) return Object.is(expected, actual);
  if (!isObject(actual) || Array.isArray(actual)) return false;
  const names = Object.keys(expected);
  if (strict && Object.keys(actual).some((name) => !names.includes(name))) return false;
  return names.every((name) => {
    const value = Object.hasOwn(actual, name) ? actual[name] : undefined;
    return matchesData(expected[name], value, strict);
  });
}

function isAsymmetric(value: unknown): value is AsymmetricMatcher {
  return isObject(value) && typeof value["asymmetricMatch"] === "function";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
