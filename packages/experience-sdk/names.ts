const namePattern = /^[a-z][a-z0-9_]{0,63}$/;
const runPattern = /^[A-Za-z0-9_.:-]{1,64}$/;

/** What an experience's id, a feature category and the reason of a discard look like. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && namePattern.test(value);
}

export function isRunName(value: unknown): value is string {
  return typeof value === "string" && runPattern.test(value);
}
